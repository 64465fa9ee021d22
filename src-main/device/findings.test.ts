// Judging made-up facts: what is said of each machine, in which state.

import { expect, it } from 'vitest';
import type { Finding, Purpose } from '../contract/doctor.ts';
import type { NvidiaCard } from '../native.ts';
import { findingsOf, machineLine } from './findings.ts';
import type { MachineFacts } from './machineFacts.ts';

const gib = 2 ** 30;

const card: NvidiaCard = {
  index: 0,
  uuid: 'GPU-0',
  name: 'NVIDIA H100',
  memoryBytes: 80 * gib,
  usedBytes: 0,
  utilisation: 0,
  computeCapability: [9, 0],
  pcieGeneration: 5,
  pcieWidth: 16,
  processes: [],
  migMode: false,
  slices: [],
};

const names = ['libcublasLt.so.13', 'libcublas.so.13', 'libcudart.so.13'];
const opened = ['libcudnn.so.9', 'libcufft.so.12', 'libnvrtc.so.13'];

const provider = {
  path: '/app/libonnxruntime_providers_cuda.so',
  library: {
    needed: names,
    runpath: [],
    opened,
    architectures: ['7.5', '8.0', '8.6', '8.9', '9.0a', '12.0a'],
    hasPtx: false,
    version: '1.30.0',
  },
};

/** A machine that has everything. */
const good: MachineFacts = {
  platform: 'linux',
  arch: 'x64',
  cpu: { name: 'A processor', logicalCores: 8, memoryBytes: 64 * gib },
  runtime: { path: '/app/libonnxruntime.so.1', version: '1.30.0' },
  provider,
  libraries: [...names, ...opened].map((name) => ({
    name,
    neededBy: 'the provider',
    linked: names.includes(name),
    found: `/cuda/${name}`,
  })),
  cards: { driver: '580.82.07', cudaVersion: '13.0', cards: [card], problem: null },
  visible: undefined,
  pciCards: 1,
  deviceFiles: [
    { path: '/dev/nvidia0', usable: true },
    { path: '/dev/nvidia-uvm', usable: true },
  ],
  vulkan: { loader: '/lib/libvulkan.so.1', drivers: ['/etc/vulkan/icd.d/nvidia_icd.json'] },
  sharedMemory: { path: '/dev/shm', freeBytes: 32 * gib },
  temporary: { path: '/tmp', freeBytes: 32 * gib },
  store: { bytes: 0.5 * gib, of: 'the store of the last run' },
  limits: { openFiles: 1_048_576, lockedBytes: Infinity },
  dataFolder: { path: '/home/me/sdp-lab', freeBytes: 100 * gib, writable: true },
};

const noDriver: Partial<MachineFacts> = {
  cards: { driver: null, cudaVersion: null, cards: [], problem: 'there is no NVIDIA driver' },
  pciCards: 0,
  deviceFiles: [],
};

function judge(changes: Partial<MachineFacts>, purpose?: Purpose): Finding[] {
  return findingsOf({ ...good, ...changes }, purpose);
}

/** All that is not right. */
function troubles(changes: Partial<MachineFacts>, purpose?: Purpose): Finding[] {
  return judge(changes, purpose).filter(({ state }) => state !== 'ok');
}

/** The facts with other libraries in the place of some. */
function lacking(wanted: readonly string[], wrongMajor?: (name: string) => string): Partial<MachineFacts> {
  const libraries = good.libraries.map((library) =>
    wanted.includes(library.name)
      ? { ...library, found: null, ...(wrongMajor ? { wrongMajor: wrongMajor(library.name) } : {}) }
      : library,
  );
  return { libraries };
}

it('finds nothing wrong with a machine that has everything', () => {
  expect(troubles({})).toEqual([]);
  expect(judge({}).map(({ id }) => id)).toEqual([
    'processor',
    'runtime',
    'shared-memory',
    'open-files',
    'data-folder',
    'cuda-driver',
    'cuda-provider',
    'cuda-libraries',
    'cuda-card-0',
    'cuda-locked-memory',
    'webgpu-vulkan',
  ]);
  expect(machineLine(good)).toBe('A processor, 8 cores, 64.0 GiB; NVIDIA H100; driver 580.82.07, CUDA 13.0');
});

it('tells what nobody has asked for as information', () => {
  const bare = { ...noDriver, provider: null, libraries: [], vulkan: { loader: null, drivers: [] } };
  expect(troubles(bare).map(({ id, state }) => [id, state])).toEqual([
    ['cuda-driver', 'info'],
    ['cuda-provider', 'info'],
    ['webgpu-vulkan', 'info'],
  ]);
  expect(troubles(bare, 'cpu')).toEqual([]);
  expect(troubles(bare, 'webgpu').map(({ id, state }) => [id, state])).toEqual([['webgpu-vulkan', 'missing']]);
});

it('asks for CUDA where a card is on the bus, and says that its driver is not there', () => {
  expect(troubles({ ...noDriver, pciCards: 1 })).toEqual([
    {
      id: 'cuda-driver',
      title: 'NVIDIA driver',
      state: 'missing',
      detail: "a card of NVIDIA's on the PCI bus, but there is no NVIDIA driver",
      remedy:
        "install NVIDIA's driver 580 or newer (https://www.nvidia.com/drivers); in a container, start it with --gpus all",
    },
  ]);
});

it('says which driver is new enough', () => {
  const cards = { ...good.cards, driver: '550.54.15', cudaVersion: '12.4' };
  expect(troubles({ cards })).toEqual([
    {
      id: 'cuda-driver',
      title: 'NVIDIA driver',
      state: 'missing',
      detail: '550.54.15, knows CUDA up to 12.4, and the provider needs CUDA 13',
      remedy: "install NVIDIA's driver 580 or newer (https://www.nvidia.com/drivers)",
    },
  ]);
  const library = { ...provider.library, needed: ['libcudart.so.12'] };
  expect(troubles({ cards, provider: { ...provider, library } })).toEqual([]);
});

it('names the packages that bring what is missing', () => {
  expect(troubles(lacking(['libcudnn.so.9', 'libcublas.so.13', 'libcublasLt.so.13']))).toEqual([
    {
      id: 'cuda-libraries-missing',
      title: 'CUDA libraries',
      state: 'missing',
      detail: 'libcublasLt.so.13, libcublas.so.13, libcudnn.so.9 are not found',
      remedy: "python3 -m pip install 'nvidia-cublas==13.*' 'nvidia-cudnn-cu13==9.*'",
    },
  ]);
});

it('tells libraries for another CUDA from those that are not there', () => {
  expect(troubles(lacking(['libcudart.so.13'], () => '/usr/local/cuda-12.9/lib64/libcudart.so.12'))).toEqual([
    {
      id: 'cuda-libraries-other',
      title: 'CUDA libraries',
      state: 'missing',
      detail: 'libcudart.so.13 is not found; there is /usr/local/cuda-12.9/lib64/libcudart.so.12, for another CUDA',
      remedy: "python3 -m pip install 'nvidia-cuda-runtime==13.*'",
    },
  ]);
});

it('names damaged libraries, and a damaged provider with the way to another', () => {
  const path = '/cuda/libcudart.so.13';
  const libraries = good.libraries.map((one) => (one.found === path ? { ...one, found: null, damaged: path } : one));
  const problem = `${provider.path} is not a shared library`;
  expect(troubles({ libraries, provider: { path: provider.path, problem } })).toEqual([
    {
      id: 'cuda-provider',
      title: 'CUDA provider',
      state: 'missing',
      detail: problem,
      remedy: expect.stringMatching(/^remove that file, then in a checkout: npm run setup/) as string,
    },
    {
      id: 'cuda-libraries-damaged',
      title: 'CUDA libraries',
      state: 'missing',
      detail: `libcudart.so.13 is damaged or may not be read: ${path}`,
      remedy: "python3 -m pip install 'nvidia-cuda-runtime==13.*'",
    },
  ]);
});

it('says that a provider names no CUDA and has code for no card', () => {
  const library = { ...provider.library, needed: [], architectures: [] };
  expect(judge({ provider: { ...provider, library } })).toContainEqual(
    expect.objectContaining({ detail: '1.30.0, for a CUDA that it does not name, with code for no card' }),
  );
});

it('takes what can be done without for a warning', () => {
  expect(troubles(lacking(['libcufft.so.12', 'libnvrtc.so.13'])).map(({ id, state }) => [id, state])).toEqual([
    ['cuda-libraries-optional', 'warning'],
  ]);
});

it('compares the versions of provider and runtime', () => {
  const other = { ...provider, library: { ...provider.library, version: '1.31.1' } };
  expect(troubles({ provider: other })).toMatchObject([{ id: 'cuda-provider', state: 'missing' }]);
  const { version: _, ...silent } = provider.library;
  expect(troubles({ provider: { ...provider, library: silent } })).toEqual([]);
});

it('offers WebGPU to cards that the provider has no code for', () => {
  const gb10 = { ...card, name: 'NVIDIA GB10', computeCapability: [12, 1] as [number, number], memoryBytes: null };
  const [finding] = troubles({ cards: { ...good.cards, cards: [gb10] } });
  expect(finding).toEqual({
    id: 'cuda-card-0',
    title: 'cuda:0',
    state: 'missing',
    detail: 'NVIDIA GB10, compute capability 12.1, memory not known, PCIe 5 x16: the CUDA provider has no code for it',
    remedy: 'use webgpu:0',
  });
  const both = { ...good.cards, cards: [card, { ...gb10, index: 1 }] };
  expect(troubles({ cards: both }).map(({ id, state }) => [id, state])).toEqual([['cuda-card-1', 'warning']]);
});

it('says when cards are hidden, cut into no slices, or not usable by this user', () => {
  const none = { ...good.cards, cards: [] };
  expect(troubles({ cards: none, visible: '' })).toMatchObject([
    { id: 'cuda-cards', state: 'missing', remedy: 'unset CUDA_VISIBLE_DEVICES' },
  ]);
  const cut = { ...good.cards, cards: [{ ...card, migMode: true }] };
  expect(troubles({ cards: cut })).toMatchObject([{ id: 'cuda-card-0', state: 'missing' }]);
  const deviceFiles = [{ path: '/dev/nvidia0', usable: false }];
  expect(troubles({ deviceFiles })).toMatchObject([
    { id: 'cuda-device-files', state: 'missing', remedy: 'sudo chmod a+rw /dev/nvidia0' },
  ]);
});

it('warns of a container with little shared memory, and says how to start it', () => {
  const sharedMemory = { path: '/dev/shm', freeBytes: 64 * 2 ** 20 };
  const warning = {
    id: 'shared-memory',
    title: 'Shared memory',
    state: 'warning',
    detail: '64.0 MiB are free in /dev/shm, the store of the last run takes 512.0 MiB, and goes to a file in /tmp',
    remedy: 'in a container, start it with --shm-size=1g; else: sudo mount -o remount,size=1g /dev/shm',
  };
  expect(troubles({ sharedMemory })).toEqual([warning]);
  const temporary = { path: '/tmp', freeBytes: 0 };
  expect(troubles({ sharedMemory, temporary })).toMatchObject([{ id: 'shared-memory', state: 'missing' }]);
});

it('judges limits, disk and permissions', () => {
  expect(troubles({ limits: { openFiles: 256, lockedBytes: 8 * 2 ** 20 } })).toMatchObject([
    { id: 'open-files', state: 'warning', remedy: 'ulimit -n 4096' },
    { id: 'cuda-locked-memory', state: 'info' },
  ]);
  const folder = { path: '/data', freeBytes: 1e9, writable: true };
  expect(troubles({ dataFolder: folder })).toMatchObject([{ id: 'data-folder', state: 'warning' }]);
  expect(troubles({ dataFolder: { ...folder, freeBytes: 0 } })).toMatchObject([{ state: 'missing' }]);
  expect(troubles({ dataFolder: { ...folder, writable: false } })).toMatchObject([{ state: 'missing' }]);
  expect(troubles({ dataFolder: { problem: 'it is gone' } })).toMatchObject([
    { state: 'missing', detail: 'it is gone' },
  ]);
});

it('gives a remedy with everything that is missing', () => {
  const bad = {
    ...noDriver,
    provider: null,
    runtime: { problem: 'none' },
    vulkan: { loader: null, drivers: [] },
    sharedMemory: null,
    temporary: null,
  };
  const missing = (['cuda', 'webgpu'] as const).flatMap((purpose) => troubles(bad, purpose));
  expect(missing.filter(({ remedy }) => remedy === undefined)).toEqual([]);
});

it('knows where CUDA and WebGPU are not to be had', () => {
  expect(troubles({ platform: 'darwin', arch: 'arm64' }, 'cuda')).toMatchObject([{ id: 'cuda-system' }]);
  expect(troubles({ platform: 'darwin', arch: 'arm64' }, 'webgpu')).toEqual([]);
  expect(troubles({ arch: 'arm64' }, 'webgpu')).toMatchObject([{ id: 'webgpu-vulkan', state: 'missing' }]);
});
