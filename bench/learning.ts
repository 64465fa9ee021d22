// What the regimes of Subnetwork Data Parallelism learn in the same engine, beside plain data parallelism: a LLaMA of 5.7 M parameters on the bytes
// of English text (`--text`: a folder of .txt files), or ResNet-18 at width 16 on MNIST.
//
// Four workers, every unit held by two, the same number of steps and samples; forward masking once more with twice the steps, at about the
// FLOPs of plain data parallelism. Seeds change initial parameters, order of samples and masks together. Results are kept in a JSON file, so
// that an interrupted bench goes on where it was; the table goes to standard output.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseRunConfig, type RunConfig } from '../src-main/contract/runConfig.ts';
import { getDataset } from '../src-main/data/catalogue.ts';
import { importDataset } from '../src-main/data/import.ts';
import { ensureSample } from '../src-main/data/samples.ts';
import { createApp, type App } from '../src-main/run/app.ts';
import type { RunSummary } from '../src-main/contract/run.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

const workers = 4;
/** Digits after the point. */
const digits = 4;

interface Subject {
  title: string;
  metric(summary: RunSummary): number | null;
  /** Makes sure that the dataset is in the catalogue; its name. */
  dataset(home: string, textFolder: string | undefined): Promise<string>;
  steps: number;
  config: Record<'model' | 'training' | 'evaluation', object>;
}

const subjects: Record<string, Subject> = {
  llama: {
    title: 'LLaMA of 5.7 M parameters, bytes of English text: validation loss per byte',
    metric: ({ perplexity }) => perplexity && Math.log(perplexity),
    dataset: importText,
    steps: 300,
    config: {
      model: { family: 'llama', vocab: 256, hidden: 256, ff: 688, layers: 7, heads: 8, kvHeads: 8, seq: 128 },
      training: {
        batch: 16,
        optimizer: 'adamw',
        learningRate: 0.001,
        weightDecay: 0.1,
        clipGlobalNorm: 1,
        schedule: 'cosine',
        warmupSteps: 30,
        finalFraction: 0.1,
      },
      evaluation: { batch: 4, samples: 400 },
    },
  },
  resnet: {
    title: 'ResNet-18 at width 16, MNIST: accuracy of the full network on 10,000 test images',
    metric: ({ accuracy }) => accuracy,
    dataset: async (home) => (await ensureSample(home, 'mnist')).name,
    steps: 300,
    config: {
      model: { family: 'resnet', layers: [2, 2, 2, 2], width: 16, stem: 'cifar' },
      training: { batch: 64, optimizer: 'sgd', learningRate: 0.1, schedule: 'onecycle' },
      evaluation: { batch: 100 },
    },
  },
};

interface Variant {
  name: string;
  subnetworks: object;
  /** Steps over those of plain data parallelism. */
  stepFactor: number;
}

const masked = (granularity: string, masking: string, stepFactor = 1): Variant => ({
  name: `${granularity}-${masking}${stepFactor > 1 ? ', equal FLOPs' : ''}`,
  subnetworks: { coverage: 2, granularity, masking },
  stepFactor,
});

const variants: Variant[] = [
  { name: 'DDP', subnetworks: { coverage: workers }, stepFactor: 1 },
  masked('block', 'backward'),
  masked('neuron', 'backward'),
  masked('block', 'forward'),
  masked('block', 'forward', 2),
  masked('neuron', 'forward'),
  masked('neuron', 'forward', 2),
];

interface Result {
  key: string;
  value: number;
  steps: number;
}

export async function main(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      subject: { type: 'string', default: 'llama' },
      text: { type: 'string' },
      steps: { type: 'string' },
      seeds: { type: 'string', default: '3' },
      out: { type: 'string', default: join(homedir(), '.cache/sdp-bench') },
    },
  });
  const subject = subjects[flags.subject];
  if (!subject) throw new Error(`--subject is ${Object.keys(subjects).join(' or ')}, got ${flags.subject}`);
  const steps = Number(flags.steps ?? subject.steps);
  const seeds = Array.from({ length: Number(flags.seeds) }, (_, seed) => seed);
  const file = join(flags.out, `${flags.subject}.json`);
  const home = join(flags.out, 'home');
  const results = await readResults(file);
  const dataset = await subject.dataset(home, flags.text);
  const app = await createApp({ home, spawnDevice: builtWorker() });
  for (const seed of seeds)
    for (const variant of variants) {
      const config = configOf(subject, variant, { dataset, steps, seed });
      const key = JSON.stringify(config);
      if (results.some((result) => result.key === key)) continue;
      const value = await train(app, config, subject);
      results.push({ key, value, steps: config.training.steps });
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, JSON.stringify(results, null, 1));
      console.error(`seed ${seed}, ${variant.name}: ${value.toFixed(digits)}`);
    }
  await app.close();
  const valueOf = (variant: Variant, seed: number) => {
    const key = JSON.stringify(configOf(subject, variant, { dataset, steps, seed }));
    return results.find((result) => result.key === key)!.value;
  };
  console.log(table(subject, steps, seeds, valueOf));
}

async function readResults(file: string): Promise<Result[]> {
  const text = await readFile(file, 'utf8').catch(() => '[]');
  return JSON.parse(text) as Result[];
}

function configOf(
  subject: Subject,
  { name, subnetworks, stepFactor }: Variant,
  { dataset, steps, seed }: { dataset: string; steps: number; seed: number },
): RunConfig {
  return parseRunConfig({
    name: `${name}, seed ${seed}`,
    model: subject.config.model,
    data: { dataset },
    devices: [{ id: 'cpu:0', threads: 2 }],
    subnetworks: { workers, seed, ...subnetworks },
    training: { ...subject.config.training, steps: steps * stepFactor, seed },
    evaluation: subject.config.evaluation,
  });
}

/** The metric of the full network at the end. Fails where the run does. */
async function train(app: App, config: RunConfig, { metric }: Subject): Promise<number> {
  const summary = await app.whenEnded(await app.start(config));
  const { state, step, reason } = summary;
  if (state !== 'done') throw new Error(`${config.name}: ${state} at step ${step}: ${reason}`);
  return metric(summary) ?? NaN;
}

function table(
  subject: Subject,
  steps: number,
  seeds: number[],
  valueOf: (variant: Variant, seed: number) => number,
): string {
  const rows = variants.map((variant) => {
    const values = seeds.map((seed) => valueOf(variant, seed));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    const error = Math.sqrt(variance / values.length);
    const figures = [mean, error, ...values].map((value) => value.toFixed(digits));
    return `| ${variant.name} | ${steps * variant.stepFactor} | ${figures[0]} | ${figures[1]} | ${figures.slice(2).join(', ')} |`;
  });
  const head = ['| regime | steps | mean | standard error | by seed |', '| --- | --- | --- | --- | --- |'];
  return [subject.title, '', ...head, ...rows].join('\n');
}

/** All texts as one file of tokens, a byte each. */
async function importText(home: string, folder: string | undefined): Promise<string> {
  const name = 'text';
  const there = await getDataset(home, name).catch(() => null);
  if (there) return name;
  if (!folder) throw new Error('--text: a folder of .txt files');
  const names = (await readdir(folder)).filter((entry) => entry.endsWith('.txt')).sort();
  const texts = await Promise.all(names.map((entry) => readFile(join(folder, entry))));
  const path = join(home, 'text.bin');
  await mkdir(home, { recursive: true });
  await writeFile(path, new Uint8Array(Uint16Array.from(Buffer.concat(texts)).buffer));
  await importDataset({ path, name, home });
  return name;
}
