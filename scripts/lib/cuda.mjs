// The CUDA provider of ONNX Runtime: too large for the npm registry, so onnxruntime-node's own install script fetches it, on machines with an NVIDIA GPU.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recall, remember } from './freshness.mjs';
import { nodeScript, root, run } from './processes.mjs';

const folder = 'node_modules/onnxruntime-node';
const provider = join(root, folder, 'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so');

export async function hasNvidiaGpu() {
  if (existsSync('/proc/driver/nvidia/version')) return true;
  const { code, output } = await run('nvidia-smi', ['-L'], { stdio: 'capture', timeoutMs: 20_000 });
  return code === 0 && output.includes('GPU ');
}

/** True where nothing is to be done: no such GPU, no provider for this platform, already there, or failed before and `retry` is false. */
export async function cudaSettled(retry) {
  if (process.platform !== 'linux' || process.arch !== 'x64' || existsSync(provider)) return true;
  if (!retry && recall('cudaFailed') === version()) return true;
  return !(await hasNvidiaGpu());
}

/** Fetches the provider; returns a warning where that failed. Training on CPU and WebGPU devices works without it. */
export async function fetchCudaProvider() {
  const { timedOut, output } = await nodeScript(`${folder}/script/install.js`, ['--onnxruntime-node-install=cuda12'], {
    stdio: 'capture',
    timeoutMs: 15 * 60_000,
  });
  if (existsSync(provider)) return undefined;
  remember('cudaFailed', version());
  const reason = timedOut ? 'it took more than 15 minutes' : lastError(output);
  return `An NVIDIA GPU is here, but ONNX Runtime's CUDA provider could not be fetched (${reason}); CUDA devices stay unavailable until "npm run setup" succeeds.`;
}

function lastError(output) {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.findLast((line) => /error/i.test(line)) || lines.findLast((line) => line !== '') || 'no reason given';
}

function version() {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).version;
}
