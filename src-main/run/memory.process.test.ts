// Predicted memory of device processes against what is measured on the real runtime.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { MemoryBytes } from '../contract/plan.ts';
import type { DeviceMemory } from '../contract/run.ts';
import { parseRunConfig } from '../contract/runConfig.ts';
import { importDataset } from '../data/import.ts';
import { newHome, openLab, type TestLab } from '../testing/lab.ts';

let lab: TestLab;

beforeAll(async () => {
  const home = await newHome();
  await mkdir(join(home, 'files'));
  const path = join(home, 'files', 'numbers.bin');
  await writeFile(path, new Uint8Array(Uint16Array.from({ length: 4000 }, (_, index) => (index * 17) % 96).buffer));
  await importDataset({ paths: [path], name: 'numbers', home });
  lab = await openLab(home);
});
afterAll(async () => {
  await lab.close();
  await rm(lab.home, { recursive: true });
});

const resnet = { model: { family: 'resnet', layers: [2, 2], width: 16, stem: 'cifar' }, data: { dataset: 'digits' } };
const swin = {
  model: { family: 'swin', patch: 4, window: 3, embed: 16, depths: [2, 2], heads: [2, 4] },
  data: { dataset: 'digits' },
};
const llama = {
  model: { family: 'llama', vocab: 96, hidden: 32, ff: 80, layers: 3, heads: 4, kvHeads: 2, seq: 32, tied: true },
  data: { dataset: 'numbers' },
};

interface Measured {
  predicted: MemoryBytes;
  measured: MemoryBytes;
}

/** One step of four workers on one device, and an evaluation of a few samples. */
async function measure(of: object, subnetworks: object, training: object): Promise<Measured> {
  const config = parseRunConfig({
    ...of,
    devices: [{ id: 'cpu:0', threads: 2 }],
    subnetworks: { workers: 4, coverage: 2, ...subnetworks },
    training: { batch: 64, steps: 1, ...training },
    evaluation: { batch: 2, samples: 4, statistics: 'running' },
  });
  let measured: MemoryBytes | undefined;
  const unsubscribe = lab.app.events.subscribe(({ name, payload }) => {
    if (name === 'memorySampled')
      measured = (payload as { memory: { devices: DeviceMemory[] } }).memory.devices[0]!.measured;
  });
  const plan = await lab.app.plan(config);
  expect((await lab.app.whenEnded(await lab.app.start(config))).state).toBe('done');
  unsubscribe();
  return { predicted: plan.devices[0]!.memory, measured: measured! };
}

it.each([
  ['ResNet, block-forward', resnet, { granularity: 'block', masking: 'forward' }, {}],
  [
    'ResNet, neuron-backward, recomputed',
    resnet,
    { granularity: 'neuron', masking: 'backward' },
    { recompute: 'block' },
  ],
  ['ResNet, neuron-forward', resnet, { granularity: 'neuron', masking: 'forward' }, {}],
  ['Swin Transformer, neuron-forward', swin, { granularity: 'neuron', masking: 'forward' }, {}],
  ['Swin Transformer, DDP, recomputed', swin, { coverage: 4 }, { recompute: 'block' }],
  ['LLaMA, neuron-backward', llama, { granularity: 'neuron', masking: 'backward' }, { accumulation: 2 }],
  ['LLaMA, block-forward, recomputed', llama, { granularity: 'block', masking: 'forward' }, { recompute: 'block' }],
])('is what was predicted: %s', async (_, of, subnetworks, training) => {
  const { predicted, measured } = await measure(of, subnetworks, training);
  expect(predicted.activations).toBe(measured.activations);
  // Pages are counted by the window, and of each area the last is rounded up.
  for (const category of ['weights', 'gradients', 'optimizer'] as const) {
    expect(Math.abs(predicted[category] - measured[category])).toBeLessThan(0.03 * measured[category] + 4 * 2 ** 16);
  }
  expect(predicted.total).toBeGreaterThan(0.98 * measured.total);
  expect(predicted.total).toBeLessThan(1.06 * measured.total);
});
