// What share of a training step is spent waiting for samples: ResNet-18 of width 64 in batches of 32 on a folder of images, which stay the
// files that they are and are decoded, cropped and flipped while training; then with RandAugment, mixup and CutMix as well.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { importDataset } from '../src-main/data/import.ts';
import { createApp, type App } from '../src-main/lab/app.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

/** Steps that come before what is measured. */
const warmUpSteps = 5;

const light = { size: 32, resizedCrop: 0.08, flip: 0.5 };
const heavy = { ...light, randAugment: 2, mixup: 0.2, cutmix: 1 };

export async function main(args: string[]): Promise<void> {
  const number = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { steps: number, threads: number },
  });
  const [folder] = positionals;
  if (folder === undefined) throw new Error('which folder of images?');
  const [steps, threads] = [Number(values.steps ?? 60), Number(values.threads ?? 2)];
  const home = await mkdtemp(join(tmpdir(), 'sdp-data-wait-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  try {
    await importDataset({ home, paths: [folder], name: 'images', options: { storage: 'encoded' } });
    console.log(JSON.stringify({ light: await measured(app, steps, threads, light) }));
    console.log(JSON.stringify({ heavy: await measured(app, steps, threads, heavy) }));
  } finally {
    await app.close();
    await rm(home, { recursive: true });
  }
}

async function measured(app: App, steps: number, threads: number, augmentation: object) {
  const config = parseRunConfig({
    name: 'data-wait',
    model: { family: 'resnet', layers: [2, 2, 2, 2], width: 64, stem: 'cifar' },
    data: { dataset: 'images', augmentation },
    subnetworks: { workers: 1, coverage: 1 },
    devices: [{ id: 'cpu:0', threads }],
    training: { steps: warmUpSteps + steps, batch: 32 },
    evaluation: { every: 0 },
    checkpoint: { every: 0 },
  });
  const stepMs: number[] = [];
  const waitMs: number[] = [];
  const off = app.events.subscribe((event) => {
    if (event.name !== 'stepsAppended') return;
    const { columns } = event.payload;
    stepMs.push(...(columns.stepMs as number[]));
    waitMs.push(...(columns.dataMs[0] as number[]));
  });
  const { state, reason } = await app.whenEnded(await app.start(config));
  off();
  if (state !== 'done') throw new Error(`the run ended ${state}: ${reason}`);
  const [step, wait] = [stepMs, waitMs].map((times) => mean(times.slice(warmUpSteps)));
  return { steps, stepMs: rounded(step!), waitMs: rounded(wait!), waitPercent: rounded((100 * wait!) / step!) };
}

const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const rounded = (value: number): number => Number(value.toFixed(3));
