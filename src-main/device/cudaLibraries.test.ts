// Finding CUDA's libraries on made-up machines.

import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  cudnnFor,
  cudnnLibraries,
  provider,
  toolkit,
  writeLibraries,
  writeLoaderCache,
  writeProvider,
} from '../testing/cudaMachine.ts';
import { cudaLibraries } from './cudaLibraries.ts';
import { readLoaderCache } from './loaderCache.ts';

let root: string;
let runtime: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sdp-machine-'));
  runtime = await writeProvider(join(root, 'app'));
});
afterEach(() => rm(root, { recursive: true }));

const kind = process.arch === 'arm64' ? 0x0a03 : 0x0303;

/** Where each library was found, from the root; null: nowhere. */
async function found(env: NodeJS.ProcessEnv = {}): Promise<Record<string, string | null>> {
  const { libraries } = await cudaLibraries(runtime, { root, env });
  return Object.fromEntries(libraries.map((library) => [library.name, library.found?.slice(root.length) ?? null]));
}

const all = [
  'libcublasLt.so.13',
  'libcublas.so.13',
  'libcurand.so.10',
  'libcudart.so.13',
  'libcudnn.so.9',
  'libcufft.so.12',
  'libnvrtc.so.13',
];

it('asks for what the provider is linked against and what it opens, in the versions that fit its CUDA', async () => {
  const { libraries, preload } = await cudaLibraries(runtime, { root, env: {} });
  expect(libraries).toEqual(
    all.map((name, index) => ({ name, neededBy: 'the provider', linked: index < 4, found: null })),
  );
  expect(preload).toEqual([]);
  expect(await cudaLibraries(join(root, 'elsewhere/libonnxruntime.so.1'), { root, env: {} })).toEqual({
    provider: null,
    libraries: [],
    preload: [],
  });
});

it('finds what Python packages bring, by the Python on the path, and loads it in the order of dependencies', async () => {
  const site = join(root, 'opt/torch/.venv/lib/python3.12/site-packages/nvidia');
  await writeLibraries(join(site, 'cu13/lib'), toolkit(13));
  await writeLibraries(join(site, 'cudnn/lib'), cudnnLibraries);
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await writeFile(join(root, 'usr/bin/python3.12'), '');
  await mkdir(join(root, 'opt/torch/.venv/bin'));
  await symlink(join(root, 'usr/bin/python3.12'), join(root, 'opt/torch/.venv/bin/python3'));
  await writeFile(join(root, 'app/libonnxruntime_providers_shared.so'), '');
  const { libraries, preload } = await cudaLibraries(runtime, { root, env: { PATH: '/nowhere:/opt/torch/.venv/bin' } });
  expect(libraries.filter((library) => library.found === null)).toEqual([]);
  expect(libraries.map(({ name }) => name)).toEqual([
    'libcublasLt.so.13',
    'libcublas.so.13',
    'libcurand.so.10',
    'libcudart.so.13',
    'libcudnn.so.9',
    'libcudnn_graph.so.9',
    'libcudnn_ops.so.9',
    'libcufft.so.12',
    'libnvrtc.so.13',
  ]);
  const cu13 = (name: string) => join(site, 'cu13/lib', name);
  // Those of cuDNN beside its first library are found by themselves.
  expect(preload).toEqual([
    join(root, 'app/libonnxruntime_providers_shared.so'),
    cu13('libcublasLt.so.13'),
    cu13('libcublas.so.13'),
    cu13('libcurand.so.10'),
    cu13('libcudart.so.13'),
    join(site, 'cudnn/lib/libcudnn.so.9'),
    cu13('libcufft.so.12'),
    cu13('libnvrtc.so.13'),
  ]);
});

it.each([
  ['a virtual environment', 'srv/env/lib/python3.11/site-packages/nvidia/cu13/lib', { VIRTUAL_ENV: '/srv/env' }],
  ['conda', 'opt/mine/lib', { CONDA_PREFIX: '/opt/mine' }],
  ['packages of the user', 'home/me/.local/lib/python3.10/site-packages/nvidia/cu13/lib', { HOME: '/home/me' }],
  ['pyenv', 'home/me/.pyenv/versions/3.12.4/lib/python3.12/site-packages/nvidia/cu13/lib', { HOME: '/home/me' }],
  ['a toolkit', 'usr/local/cuda-13.0/lib64', {}],
  ['packages of the system', 'usr/lib/x86_64-linux-gnu', {}],
  ['the environment', 'data/cuda', { LD_LIBRARY_PATH: ':/data/cuda' }],
  ["the runtime's folder", 'app', {}],
])('finds the libraries of %s', async (_, folder, env) => {
  await writeLibraries(join(root, folder), { ...toolkit(13), ...cudnnLibraries });
  const places = await found(env);
  expect(Object.values(places)).toEqual(Object.keys(places).map((name) => `/${folder}/${name}`));
});

it("finds what the loader's cache names", async () => {
  await writeLibraries(join(root, 'srv/cuda'), toolkit(13));
  const paths = Object.keys(toolkit(13)).map((name) => `/srv/cuda/${name}`);
  await writeLoaderCache(join(root, 'etc/ld.so.cache'), paths, kind);
  expect(await found()).toMatchObject({ 'libcudart.so.13': '/srv/cuda/libcudart.so.13', 'libcudnn.so.9': null });
  await writeLoaderCache(join(root, 'etc/ld.so.cache'), paths, 0x0003);
  expect(await found()).toMatchObject({ 'libcudart.so.13': null });
});

it('reads the cache of this machine, and damaged ones without failing', async () => {
  const path = join(root, 'cache');
  expect(await readLoaderCache(path)).toEqual(new Map());
  await writeLoaderCache(path, ['/lib/libcudart.so.13'], kind);
  expect(await readLoaderCache(path)).toEqual(new Map([['libcudart.so.13', '/lib/libcudart.so.13']]));
  for (const text of ['', 'glibc-ld.so.cache1.1', `glibc-ld.so.cache1.1${'\xff'.repeat(60)}`]) {
    await writeFile(path, text, 'latin1');
    expect([...(await readLoaderCache(path)).values()].join('')).toBe('');
  }
});

it('takes what belongs together from the place that has most of it', async () => {
  await writeLibraries(join(root, 'usr/local/cuda/lib64'), { 'libcudart.so.13': {} });
  await writeLibraries(join(root, 'opt/conda/lib'), toolkit(13));
  expect(await found()).toMatchObject({ 'libcudart.so.13': '/opt/conda/lib/libcudart.so.13' });
});

it('says which library is there for another CUDA only', async () => {
  await writeLibraries(join(root, 'usr/local/cuda-12.9/lib64'), { ...toolkit(12), ...cudnnFor(12) });
  const { libraries, preload } = await cudaLibraries(runtime, { root, env: {} });
  const wrong = libraries.filter((library) => library.found === null);
  expect(wrong.map(({ name, wrongMajor }) => [name, wrongMajor?.slice(root.length)])).toEqual([
    ['libcublasLt.so.13', '/usr/local/cuda-12.9/lib64/libcublasLt.so.12'],
    ['libcublas.so.13', '/usr/local/cuda-12.9/lib64/libcublas.so.12'],
    ['libcudart.so.13', '/usr/local/cuda-12.9/lib64/libcudart.so.12'],
    ['libcudnn.so.9', '/usr/local/cuda-12.9/lib64/libcudnn.so.9'],
    ['libcufft.so.12', '/usr/local/cuda-12.9/lib64/libcufft.so.11'],
    ['libnvrtc.so.13', '/usr/local/cuda-12.9/lib64/libnvrtc.so.12'],
  ]);
  expect(preload).toEqual([join(root, 'usr/local/cuda-12.9/lib64/libcurand.so.10')]);
});

it('loads what cuDNN opens where its libraries have no path to each other', async () => {
  const { runpath: _, ...plain } = cudnnLibraries['libcudnn.so.9']!;
  await writeLibraries(join(root, 'data/cudnn'), { ...cudnnLibraries, 'libcudnn.so.9': plain });
  const { preload } = await cudaLibraries(runtime, { root, env: { LD_LIBRARY_PATH: '/data/cudnn' } });
  expect(preload.map((path) => path.split('/').at(-1))).toEqual([
    'libcudnn.so.9',
    'libcudnn_graph.so.9',
    'libcudnn_ops.so.9',
  ]);
});

it('takes a provider for CUDA 12 at its word', async () => {
  const needed = provider.needed!.map((name) => name.replace('.so.13', '.so.12'));
  await writeProvider(join(root, 'app'), { ...provider, needed });
  expect(Object.keys(await found())).toContain('libnvrtc.so.12');
});

it('passes over cuDNN for another CUDA, whose names are the same', async () => {
  await writeLibraries(join(root, 'usr/lib/x86_64-linux-gnu'), { ...toolkit(13), ...cudnnFor(12) });
  await writeLibraries(join(root, 'opt/conda/lib'), cudnnFor(13));
  expect(await found()).toMatchObject({
    'libcublas.so.13': '/usr/lib/x86_64-linux-gnu/libcublas.so.13',
    'libcudnn.so.9': '/opt/conda/lib/libcudnn.so.9',
  });
});

it('names libraries that cannot be read, links that lead round, and pipes, and waits for none', async () => {
  const folder = join(root, 'usr/lib/x86_64-linux-gnu');
  await writeLibraries(folder, { ...toolkit(13), ...cudnnLibraries });
  await truncate(join(folder, 'libcublas.so.13'), 30);
  for (const name of ['libcudart.so.13', 'libcurand.so.10']) await rm(join(folder, name));
  await symlink('libcudart.so.13', join(folder, 'libcudart.so.13'));
  if (process.platform === 'linux') execFileSync('mkfifo', [join(folder, 'libcurand.so.10')]);
  else await writeFile(join(folder, 'libcurand.so.10'), '');
  const { libraries } = await cudaLibraries(runtime, { root, env: {} });
  const lacking = libraries.filter((library) => library.found === null);
  expect(lacking.map(({ name, damaged, wrongMajor }) => [name, damaged, wrongMajor])).toEqual(
    ['libcublas.so.13', 'libcurand.so.10', 'libcudart.so.13'].map((name) => [name, join(folder, name), undefined]),
  );
});

it('says why a provider cannot be read', async () => {
  const path = join(root, 'app/libonnxruntime_providers_cuda.so');
  await truncate(path, 100);
  expect(await cudaLibraries(runtime, { root, env: {} })).toEqual({
    provider: { path, problem: expect.stringContaining(`${path} is not a shared library`) as string },
    libraries: [],
    preload: [],
  });
});
