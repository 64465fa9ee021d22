// Loads of NVIDIA's cards, from a driver's library that stands in for the real one.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { NvidiaCard } from '../native.ts';
import { cudaCards, visibleCards } from './nvidiaCards.ts';
import { watchNvidia } from './nvidiaLoad.ts';

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;
const withStandIn = hasCompiler ? 'from a stand-in' : 'from a stand-in (skipped: needs Linux and a C compiler, cc)';
const gib = 2 ** 30;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-nvidia-'));
});
afterAll(() => rm(folder, { recursive: true }));

function standIn(...defines: string[]): string {
  const library = join(folder, `libnvidia-ml${defines.join('')}.so.1`);
  const source = join(import.meta.dirname, '../../testdata/nvidia/nvml.c');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, source, ...defines]);
  return library;
}

it.skipIf(!hasCompiler)(
  `reads memory and load of several cards, and what they do not tell, ${withStandIn}`,
  async () => {
    const loads = watchNvidia(10_000, standIn());
    const expected = [
      { id: 'cuda:0', memoryUsedBytes: 3 * gib, load: 0.37 },
      { id: 'cuda:1', memoryUsedBytes: null, load: null },
      { id: 'cuda:2', memoryUsedBytes: null, load: null },
    ];
    const asked = loads();
    expect(loads()).toBe(asked);
    expect(await asked).toEqual(expected);
    expect(loads()).toBe(asked);
  },
);

it.skipIf(!hasCompiler)(`lists the cards that a process sees, ${withStandIn}`, async () => {
  const library = standIn();
  const listed = async () =>
    (await cudaCards(10_000, library)).cards.map(({ index, name, memoryBytes }) => [index, name, memoryBytes]);
  const [h100, gb10] = [
    ['Stand-in H100', 80 * gib],
    ['Stand-in GB10', null],
  ];
  expect(await listed()).toEqual([
    [0, ...h100],
    [1, ...gb10],
    [2, 'Stand-in H100 MIG 1g.10gb', 10 * gib],
  ]);
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '1,GPU-0');
  expect(await listed()).toEqual([
    [0, ...gb10],
    [1, ...h100],
  ]);
});

it('has no value where there is no driver', async () => {
  expect(await watchNvidia(3000, join(folder, 'nowhere/libnvidia-ml.so.1'))()).toEqual([]);
});

// Last: the thread that asks drivers is held by this one for as long as the process lives.
it.skipIf(!hasCompiler)(`waits with patience for a driver that hangs, ${withStandIn}`, async () => {
  const library = standIn('-DHANGS=600');
  const loads = watchNvidia(200, library);
  expect(await loads()).toEqual([]);
  expect(await cudaCards(200, library)).toEqual({
    driver: null,
    cudaVersion: null,
    cards: [],
    problem: 'the NVIDIA driver has not answered within 0.2 s; restart the machine',
  });
});

it.each([
  [undefined, ['GPU-a', 'MIG-b0']],
  ['', []],
  ['1', ['MIG-b0']],
  ['0,7,1', ['GPU-a']],
  ['MIG-b1', ['MIG-b1']],
  ['GPU-b, GPU-a', ['MIG-b0', 'GPU-a']],
  ['-1', []],
])('reads CUDA_VISIBLE_DEVICES=%j', (variable, expected) => {
  const slice = (uuid: string) => ({ uuid, name: 'slice', memoryBytes: 1 });
  const cards = [
    { uuid: 'GPU-a', slices: [] },
    { uuid: 'GPU-b', slices: [slice('MIG-b0'), slice('MIG-b1')] },
  ] as unknown as NvidiaCard[];
  expect(visibleCards(cards, variable).map(({ uuid }) => uuid)).toEqual(expected);
});
