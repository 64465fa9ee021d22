// The CUDA provider of ONNX Runtime, which is too large for the npm registry. It comes from PyPI's onnxruntime-gpu of the version of
// onnxruntime-node; where there is no pip, onnxruntime-node's own install script fetches one. Only machines with an NVIDIA GPU need it.

import { copyFileSync, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  curandLibrary,
  curandWheel,
  fetchWheel,
  patienceMs,
  providerLibrary,
  providerWheel,
  reasonOf,
  runtimeVersion,
  sharedLibrary,
} from './cudaWheel.mjs';
import { recall, remember } from './freshness.mjs';
import { nodeScript, root } from './processes.mjs';

const runtime = 'node_modules/onnxruntime-node';

/** Where ONNX Runtime's libraries lie, from the root of a checkout and from the portable folder's `app/`. */
export const runtimeFolder = `${runtime}/bin/napi-v6/linux/x64`;

const provider = join(root, runtimeFolder, providerLibrary);
const driverSigns = ['proc/driver/nvidia/version', 'dev/nvidia0'];
const libraryFolders = [
  'usr/lib/x86_64-linux-gnu',
  'usr/lib64',
  'usr/lib',
  'usr/lib/wsl/lib',
  'usr/local/nvidia/lib64',
];

/** Whether there is a driver for NVIDIA's cards, seen by its files below `system`. */
export function hasNvidiaGpu(system = '/') {
  const libraries = libraryFolders.map((folder) => `${folder}/libnvidia-ml.so.1`);
  return [...driverSigns, ...libraries].some((path) => existsSync(join(system, path)));
}

/** True where nothing is to be done: no such GPU, no provider for this platform, already there, or failed before and `retry` is false. */
export function cudaSettled(retry) {
  if (process.platform !== 'linux' || process.arch !== 'x64' || existsSync(provider)) return true;
  if (!retry && recall('cudaFailed') === runtimeVersion()) return true;
  return !hasNvidiaGpu();
}

/** Puts the provider beside the runtime; returns a warning where that failed. Training on CPU and WebGPU devices works without it. */
export async function fetchCudaProvider() {
  const reason = await providerFromPyPI();
  if (!reason) return undefined;
  const second = await providerFromScript();
  if (!second) return undefined;
  remember('cudaFailed', runtimeVersion());
  return `An NVIDIA GPU is here, but ONNX Runtime's CUDA provider could not be fetched: ${reason}; ${second}. CUDA devices stay unavailable until "npm run setup" succeeds.`;
}

async function providerFromPyPI() {
  const [provider, curand] = [await fetchWheel(providerWheel()), await fetchWheel(curandWheel)];
  const problem = provider.problem ?? curand.problem;
  if (problem) return problem;
  const put = (folder, name) => linkOrCopy(join(folder, name), join(root, runtimeFolder, name));
  put(curand.folder, curandLibrary);
  for (const name of [sharedLibrary, providerLibrary]) put(provider.folder, name);
  return undefined;
}

async function providerFromScript() {
  const options = { stdio: 'capture', timeoutMs: patienceMs };
  const ended = await nodeScript(`${runtime}/script/install.js`, ['--onnxruntime-node-install=cuda12'], options);
  return existsSync(provider) ? undefined : `onnxruntime-node's install script: ${reasonOf(ended)}`;
}

function linkOrCopy(from, to) {
  rmSync(to, { force: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, `${to}.partial`);
    renameSync(`${to}.partial`, to);
  }
}
