// A lab for tests: the app over a temporary home, with the built worker in real device processes, and a small dataset of real digits.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { importDataset } from '../data/import.ts';
import { samplePath } from '../data/samples.ts';
import { createApp, type App } from '../run/app.ts';
import type { DeviceProcess } from '../run/deviceProcess.ts';
import { spawnDevice } from '../transport/childProcess.ts';

const workerPath = join(import.meta.dirname, '../../out/main/worker.js');
export const cliPath = join(import.meta.dirname, '../../out/main/cli.js');

/** The built worker; fails with the remedy where the app is not built. */
export function builtWorker(): ReturnType<typeof spawnDevice> {
  if (!existsSync(workerPath)) throw new Error('out/main/worker.js is missing; run "npm run setup"');
  return spawnDevice(workerPath);
}

export interface TestLab {
  home: string;
  app: App;
  /** Device processes started so far. */
  processes: DeviceProcess[];
  close(): Promise<void>;
}

/** `home` of an earlier lab, or a new one with the dataset `digits`. */
export async function openLab(home?: string): Promise<TestLab> {
  const folder = home ?? (await newHome());
  const processes: DeviceProcess[] = [];
  const spawn = builtWorker();
  const app = await createApp({
    home: folder,
    spawnDevice: (name) => {
      const started = spawn(name);
      processes.push(started);
      return started;
    },
  });
  return { home: folder, app, processes, close: () => app.close() };
}

/** A home with `digits`: the first 1,000 training and 200 test images of MNIST. */
export async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'sdp-test-'));
  const files = join(home, 'files');
  await mkdir(files);
  for (const [name, samples] of [
    ['train', 1000],
    ['t10k', 200],
  ] as const) {
    await cutIdx(`${name}-images-idx3-ubyte`, files, 16, 28 * 28, samples);
    await cutIdx(`${name}-labels-idx1-ubyte`, files, 8, 1, samples);
  }
  await importDataset({ path: files, name: 'digits', home });
  await rm(files, { recursive: true });
  return home;
}

/** Copies the first samples of an MNIST file; header and sample sizes in bytes. */
async function cutIdx(name: string, target: string, header: number, size: number, samples: number): Promise<void> {
  const bytes = (await readFile(join(samplePath('mnist'), name))).subarray(0, header + samples * size);
  bytes.writeUInt32BE(samples, 4);
  await writeFile(join(target, name), bytes);
}

/** A configuration that takes moments: a narrow network on `digits`. */
export function smallConfig(overrides: {
  subnetworks?: object;
  training?: object;
  evaluation?: object;
  checkpoint?: object;
  devices?: RunConfig['devices'];
}): RunConfig {
  return parseRunConfig({
    name: 'small',
    model: { family: 'resnet', layers: [1, 1], width: 4 },
    data: { dataset: 'digits' },
    devices: overrides.devices ?? ['cpu:0'],
    subnetworks: { workers: 4, coverage: 2, ...overrides.subnetworks },
    training: { steps: 6, batch: 32, learningRate: 0.05, ...overrides.training },
    evaluation: { batch: 64, statisticsBatches: 3, ...overrides.evaluation },
    checkpoint: { ...overrides.checkpoint },
  });
}

/** One-threaded CPU devices. */
export function cpuDevices(count: number): { id: string; threads: number }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `cpu:${index}`, threads: 1 }));
}
