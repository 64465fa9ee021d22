// Memory of device processes, predicted before anything runs and measured in the real app: families, regimes, coverages, micro-batches.
//
// Every configuration trains a few steps and evaluates the full network once. Measured is the largest resident size of each process, the
// program itself included; the table has the device that took most, in MiB. The saving is against plain data parallelism (k = N) of the same
// model, micro-batch and number of devices. Results are kept in a JSON file, so that an interrupted bench goes on where it was.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { MemoryBytes, Plan } from '../src-main/contract/plan.ts';
import type { DeviceMemory } from '../src-main/contract/run.ts';
import { parseRunConfig, type RunConfig } from '../src-main/contract/runConfig.ts';
import { getDataset } from '../src-main/data/catalogue.ts';
import { importDataset } from '../src-main/data/import.ts';
import { ensureSample } from '../src-main/data/samples.ts';
import { createApp, type App } from '../src-main/lab/app.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

const numWorkers = 4;
const numSteps = 3;
const [vocab, sequence] = [2048, 256];

interface Family {
  title: string;
  config: Record<'model' | 'data' | 'training' | 'evaluation', object>;
}

const images = { dataset: 'mnist' };
const tokens = { dataset: 'tokens' };
const families: Record<string, Family> = {
  resnet: {
    title: 'ResNet-18, MNIST',
    config: {
      model: { family: 'resnet', layers: 'resnet18', width: 64, stem: 'cifar' },
      data: images,
      training: { optimizer: 'sgd' },
      evaluation: { batch: 50, samples: 200 },
    },
  },
  sample: {
    title: 'ResNet-18 of width 16, evaluated by 250',
    config: {
      model: { family: 'resnet', layers: 'resnet18', width: 16, stem: 'cifar' },
      data: images,
      training: { optimizer: 'sgd' },
      evaluation: { batch: 250, samples: 1000 },
    },
  },
  swin: {
    title: 'Swin, 2-2-6 blocks, MNIST',
    config: {
      model: { family: 'swin', patch: 2, window: 7, embed: 96, depths: [2, 2, 6], heads: [3, 6, 12] },
      data: images,
      training: { optimizer: 'adamw' },
      evaluation: { batch: 8, samples: 32 },
    },
  },
  llama: {
    title: 'LLaMA 15M, 256 tokens',
    config: {
      model: { family: 'llama', preset: '15M', vocab, seq: sequence },
      data: tokens,
      training: { optimizer: 'adamw' },
      evaluation: { batch: 1, samples: 4 },
    },
  },
  llama134: {
    title: 'LLaMA 134M, 256 tokens',
    config: {
      model: { family: 'llama', preset: '134M', vocab: 32000, seq: sequence },
      data: tokens,
      training: { optimizer: 'adamw' },
      evaluation: { batch: 1, samples: 4 },
    },
  },
};

interface Case {
  name: string;
  family: string;
  regime: string;
  coverage: number;
  microBatch: number;
  numDevices: number;
  recompute: boolean;
}

function caseOf(family: string, regime: string, coverage: number, microBatch: number, more: Partial<Case> = {}): Case {
  const numDevices = more.numDevices ?? numWorkers;
  const recompute = more.recompute ?? false;
  const name = [
    family,
    regime,
    `k${coverage}`,
    `b${microBatch}`,
    `d${numDevices}`,
    ...(recompute ? ['recompute'] : []),
  ];
  return { name: name.join('-'), family, regime, coverage, microBatch, numDevices, recompute };
}

const ddp = 'DDP';
const cases: Case[] = [
  caseOf('resnet', ddp, 4, 32),
  caseOf('resnet', 'block-forward', 3, 32),
  caseOf('resnet', 'block-forward', 2, 32),
  caseOf('resnet', 'block-forward', 1, 32),
  caseOf('resnet', 'block-backward', 2, 32),
  caseOf('resnet', 'neuron-forward', 2, 32),
  caseOf('resnet', 'neuron-forward', 1, 32),
  caseOf('resnet', 'neuron-backward', 2, 32),
  caseOf('resnet', ddp, 4, 32, { recompute: true }),
  caseOf('resnet', ddp, 4, 8, { numDevices: 1 }),
  caseOf('sample', ddp, 4, 32),
  caseOf('sample', 'block-forward', 2, 32),
  caseOf('sample', 'neuron-forward', 1, 32, { numDevices: 1 }),
  caseOf('swin', ddp, 4, 24),
  caseOf('swin', 'block-forward', 2, 24),
  caseOf('swin', 'block-backward', 1, 24),
  caseOf('swin', 'neuron-forward', 3, 24),
  caseOf('swin', 'neuron-forward', 1, 24),
  caseOf('swin', 'neuron-backward', 2, 24),
  caseOf('swin', ddp, 4, 24, { recompute: true }),
  caseOf('llama', ddp, 4, 4),
  caseOf('llama', 'block-forward', 2, 4),
  caseOf('llama', 'block-forward', 1, 4),
  caseOf('llama', 'block-backward', 2, 4),
  caseOf('llama', 'neuron-forward', 2, 4),
  caseOf('llama', 'neuron-forward', 1, 4),
  caseOf('llama', 'neuron-backward', 2, 4),
  caseOf('llama', ddp, 4, 4, { recompute: true }),
  caseOf('llama', 'neuron-forward', 2, 1, { numDevices: 2 }),
  caseOf('llama134', ddp, 4, 1),
  caseOf('llama134', 'neuron-forward', 2, 1),
];

/** What was measured, by device. */
interface Result {
  name: string;
  devices: { id: string; measured: MemoryBytes }[];
}

/** The device that took most. */
interface Row {
  predicted: MemoryBytes;
  measured: MemoryBytes;
}

export async function main(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: '' },
      out: { type: 'string', default: join(homedir(), '.cache/sdp-bench') },
    },
  });
  const file = join(flags.out, 'memory.json');
  const home = join(flags.out, 'home');
  await mkdir(home, { recursive: true });
  await ensureDatasets(home);
  const results = JSON.parse(await readFile(file, 'utf8').catch(() => '[]')) as Result[];
  const app = await createApp({ home, spawnDevice: builtWorker() });
  for (const each of cases) {
    if (!each.name.includes(flags.only) || results.some(({ name }) => name === each.name)) continue;
    const result = await measure(app, each);
    results.push(result);
    await writeFile(file, JSON.stringify(results, null, 1));
    console.error(`${each.name}: ${result.devices.map(({ measured }) => figure(measured.total)).join(', ')} MiB`);
  }
  const rows = new Map<Case, Row>();
  for (const each of cases) {
    const result = results.find(({ name }) => name === each.name);
    if (result) rows.set(each, fullest(result, await app.plan(configOf(each))));
  }
  await app.close();
  await writeFile(join(import.meta.dirname, 'memory.md'), table(rows));
}

async function measure(app: App, each: Case): Promise<Result> {
  const config = configOf(each);
  const measured = new Map<string, MemoryBytes>();
  const unsubscribe = app.events.subscribe(({ name, payload }) => {
    if (name !== 'memorySampled') return;
    for (const sample of (payload as { memory: { devices: DeviceMemory[] } }).memory.devices)
      measured.set(sample.device, sample.measured);
  });
  const { state, step, reason } = await app.whenEnded(await app.start(config, { force: true }));
  unsubscribe();
  if (state !== 'done') throw new Error(`${each.name}: ${state} at step ${step}: ${reason}`);
  return { name: each.name, devices: [...measured].map(([id, bytes]) => ({ id, measured: bytes })) };
}

function configOf({ name, family, regime, coverage, microBatch, numDevices, recompute }: Case): RunConfig {
  const { config } = families[family]!;
  const [granularity, masking] = regime === ddp ? ['block', 'forward'] : regime.split('-');
  return parseRunConfig({
    ...config,
    name,
    devices: Array.from({ length: numDevices }, (_, index) => ({ id: `cpu:${index}`, threads: 1 })),
    subnetworks: { workers: numWorkers, coverage, granularity, masking },
    training: {
      ...config.training,
      batch: microBatch * numWorkers,
      steps: numSteps,
      ...(recompute && { recompute: 'block' }),
    },
  });
}

/** Digits, and numbers as tokens: their values do not matter here. */
async function ensureDatasets(home: string): Promise<void> {
  await ensureSample(home, 'mnist');
  if (await getDataset(home, 'tokens').catch(() => null)) return;
  const path = join(home, 'tokens.bin');
  const numbers = Uint16Array.from({ length: 200 * sequence }, (_, index) => (index * 7919) % vocab);
  await writeFile(path, new Uint8Array(numbers.buffer));
  await importDataset({ paths: [path], name: 'tokens', home });
}

const categories = ['weights', 'gradients', 'optimizer', 'activations', 'workspace', 'total'] as const;
const figure = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function fullest({ devices }: Result, plan: Plan): Row {
  const { id, measured } = devices.reduce((most, device) =>
    device.measured.total > most.measured.total ? device : most,
  );
  return { measured, predicted: plan.devices.find((device) => device.id === id)!.memory };
}

function table(rows: ReadonlyMap<Case, Row>): string {
  const baseOf = (each: Case) =>
    [...rows].find(([base]) => base.regime === ddp && !base.recompute && sameSize(base, each) && base !== each)?.[1];
  const cells = [...rows].map(([each, { predicted, measured }]) => {
    const base = baseOf(each);
    const saving = (own: MemoryBytes, whole: MemoryBytes | undefined, of = (bytes: MemoryBytes) => bytes.total) =>
      whole ? percent(1 - of(own) / of(whole)) : '';
    return [
      families[each.family]!.title + (each.recompute ? ', recomputed' : ''),
      each.regime,
      `${each.coverage}/${numWorkers}`,
      each.microBatch,
      each.numDevices,
      ...categories.map((category) => `${figure(predicted[category])} / ${figure(measured[category])}`),
      percent(predicted.total / measured.total - 1),
      saving(predicted, base?.predicted),
      saving(measured, base?.measured),
      saving(measured, base?.measured, ({ total, workspace }) => total - workspace),
    ];
  });
  const head = [
    'model',
    'regime',
    'k/N',
    'micro-batch',
    'devices',
    ...categories,
    'error',
    'saving, predicted',
    'saving, measured',
    'without workspace',
  ];
  const lines = [head, head.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`);
  return `${introduction}\n${lines.join('\n')}\n`;
}

const sameSize = (a: Case, b: Case): boolean =>
  a.family === b.family && a.microBatch === b.microBatch && a.numDevices === b.numDevices;

const introduction = `# Memory, predicted and measured

Written by \`node bench/memory.mjs\` (Linux, x64, Node.js 20, one thread per device). MiB of the device process that took most, predicted /
measured; total is the largest resident size of the whole process. Weights, gradients and optimizer state count in every process that touches
them, though they lie in memory once per machine. Workspace is mostly Node.js and the runtime, about 100 MiB whatever the model. Saving: against
DDP of the same model, micro-batch and devices, of the total and of all but the workspace. The paper claims 30 % to 75 %.
`;
