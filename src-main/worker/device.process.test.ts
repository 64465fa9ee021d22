// What the handlers of a device process open, with the real addon.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Dataset } from '../contract/commands.ts';
import { parseRunConfig } from '../contract/runConfig.ts';
import { native } from '../native.ts';
import { prepareRun } from '../plan/prepare.ts';
import { EventHub } from '../transport/events.ts';
import { deviceHandlers } from './device.ts';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'sdp-device-'))));
afterAll(() => rm(folder, { recursive: true }));

const numbers: Dataset = {
  name: 'numbers',
  kind: 'tokens',
  train: 10_000,
  test: 1000,
  vocabulary: 64,
  largest: { token: 63, file: '', position: 0 },
  tokenizer: 'tokens',
  source: '',
  bytes: 0,
  fingerprint: '',
};
const source = { path: '', images: null };
const machine = { cores: 2, memoryBytes: 2 ** 33, accelerators: { devices: [], missing: [] } };

/** Graphs that a device has of so many workers. */
async function graphsOf(workers: number, subnetworks: object): Promise<number> {
  const config = parseRunConfig({
    model: { family: 'llama', hidden: 16, ff: 32, layers: 2, heads: 4, kvHeads: 4, seq: 8 },
    data: { dataset: 'numbers' },
    devices: [{ id: 'cpu:0', threads: 1 }],
    subnetworks: { workers, ...subnetworks },
    training: { batch: workers, steps: 1 },
  });
  const prepared = prepareRun(config, numbers, { train: source, test: source }, machine);
  const storePath = join(folder, `${Math.random()}.store`);
  const store = await native().createStore(storePath, prepared.store.layout);
  const handlers = deviceHandlers(new EventHub());
  const context = { signal: new AbortController().signal };
  try {
    const device = { id: 'cpu:0', kind: 'cpu', index: 0, threads: 1 } as const;
    const setup = { ...prepared.setup, storePath, participant: 0, sessions: prepared.sessions[0]!, device };
    return (await handlers.prepare(setup, context)).graphs;
  } finally {
    await handlers.close({}, context);
    await store.close();
  }
}

it.each([
  ['DDP', 64, { coverage: 64 }, 1],
  ['neuron-forward', 8, { granularity: 'neuron', coverage: 2 }, 1],
  ['block-forward: the other worker holds the other block', 2, { granularity: 'block', coverage: 1 }, 2],
])('has one graph for all workers whose graphs are equal: %s', async (_, workers, subnetworks, graphs) => {
  expect(await graphsOf(workers, subnetworks)).toBe(graphs);
});
