// A lab for tests: the app over a temporary home, with the built worker in real device processes, and a small dataset of real digits.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppEvents } from '../contract/events.ts';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import type { ImportOptions } from '../contract/verdict.ts';
import { importDataset } from '../data/import.ts';
import { samplePath } from '../data/samples.ts';
import { createApp, type App } from '../lab/app.ts';
import type { DeviceProcess } from '../processes/deviceProcess.ts';
import type { RunFolder } from '../records/runFolder.ts';
import { RunRecord } from '../records/runRecord.ts';
import type { Patience } from '../fleet/silence.ts';
import { spawnDevice } from '../processes/childProcess.ts';

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

/** `home` of an earlier lab, or a new one with the dataset `digits`. `meddle` is given each process as it starts; `patience`: with devices that hang. */
export async function openLab(
  home?: string,
  meddle?: (started: DeviceProcess, name: string) => unknown,
  patience?: Patience,
): Promise<TestLab> {
  const folder = home ?? (await newHome());
  const processes: DeviceProcess[] = [];
  const spawn = builtWorker();
  const app = await createApp({
    home: folder,
    ...(patience && { patience }),
    spawnDevice: (name) => {
      const started = spawn(name);
      processes.push(started);
      meddle?.(started, name);
      return started;
    },
  });
  const lab = { home: folder, app, processes, close: () => app.close() };
  opened.push(lab);
  return lab;
}

/** Those that a test file has opened; closeLabs.ts ends them. */
export const opened: TestLab[] = [];

/** The next event of that name that fulfils the condition. */
export function nextEvent<K extends keyof AppEvents>(
  lab: TestLab,
  name: K,
  when: (payload: unknown) => boolean = () => true,
) {
  return new Promise<void>((resolve) => {
    const off = lab.app.events.subscribe((event) => {
      if (event.name !== name || !when(event.payload)) return;
      off();
      resolve();
    });
  });
}

/** A home with `digits`: the first 1,000 training and 200 test images of MNIST. */
export async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'sdp-test-'));
  await importDigits(home, 'digits');
  return home;
}

export async function importDigits(home: string, name: string, options: ImportOptions = {}): Promise<void> {
  const files = join(home, 'files');
  await mkdir(files);
  for (const [split, samples] of [
    ['train', 1000],
    ['t10k', 200],
  ] as const) {
    await cutIdx(`${split}-images-idx3-ubyte`, files, 16, 28 * 28, samples);
    await cutIdx(`${split}-labels-idx1-ubyte`, files, 8, 1, samples);
  }
  await importDataset({ paths: [files], name, options, home });
  await rm(files, { recursive: true });
}

/** Adds `text` to a home: the bytes of ARCHITECTURE.md as tokens. */
export async function importText(home: string): Promise<void> {
  const text = await readFile(join(import.meta.dirname, '../../ARCHITECTURE.md'));
  const path = join(home, 'text.bin');
  await writeFile(path, new Uint8Array(Uint16Array.from(text).buffer));
  await importDataset({ paths: [path], name: 'text', home });
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
    model: models.resnet,
    data: { dataset: 'digits' },
    devices: overrides.devices ?? ['cpu:0'],
    subnetworks: { workers: 4, coverage: 2, ...overrides.subnetworks },
    training: { steps: 6, batch: 32, learningRate: 0.05, ...overrides.training },
    evaluation: { batch: 64, statisticsBatches: 3, ...overrides.evaluation },
    checkpoint: { ...overrides.checkpoint },
  });
}

export const families = ['resnet', 'swin', 'vit', 'llama'] as const;

const models: Record<(typeof families)[number], object> = {
  resnet: { family: 'resnet', layers: [1, 1], width: 4 },
  swin: { family: 'swin', patch: 4, window: 3, embed: 8, depths: [1, 2], heads: [2, 4], mlpRatio: 2 },
  vit: { family: 'vit', patch: 7, hidden: 16, mlp: 24, layers: 2, heads: 4 },
  llama: { family: 'llama', hidden: 16, ff: 24, layers: 2, heads: 4, kvHeads: 2, seq: 16 },
};

/** The same for a network of each family; LLaMA needs `text`. */
export function familyConfig(
  family: (typeof families)[number],
  overrides: Parameters<typeof smallConfig>[0],
): RunConfig {
  const data = { dataset: family === 'llama' ? 'text' : 'digits' };
  return parseRunConfig({ ...smallConfig(overrides), model: models[family], data });
}

/** One-threaded CPU devices. */
export function cpuDevices(count: number): { id: string; threads: number }[] {
  return Array.from({ length: count }, (_, index) => ({ id: `cpu:${index}`, threads: 1 }));
}

/** Changes a run that is not active, as its owner would. */
export async function withRecord(folder: RunFolder, work: (record: RunRecord) => void | Promise<void>): Promise<void> {
  const record = await RunRecord.open(folder);
  await work(record);
  await record.store();
  await record.close();
}
