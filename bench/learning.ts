// What the regimes of Subnetwork Data Parallelism learn in the same engine, beside plain data parallelism: a LLaMA of 5.7 M parameters on the bytes
// of English text, or ResNet-18 at width 16 on MNIST.
//
// Four workers, every unit held by two, the same number of steps and samples; forward masking once more with steps / coverage, at about the FLOPs
// of plain data parallelism. Seeds change initial parameters, order of samples and masks together. A run is an ordinary run of the app. Results are
// kept in a JSON file, so that an interrupted bench goes on where it was; the Markdown file is written anew after every run, with all that is there.
// The text is samples/speeches.zip (speeches, 1790 to 2021).

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { parseRunConfig, type RunConfig } from '../src-main/contract/runConfig.ts';
import { getDataset } from '../src-main/data/catalogue.ts';
import { importDataset } from '../src-main/data/import.ts';
import { ensureSample, samplePath } from '../src-main/data/samples.ts';
import { createApp, type App } from '../src-main/lab/app.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

const workers = 4;
const coverage = 2;

interface Sizes {
  steps: number;
  batch: number;
  /** Tokens of a sample; of no meaning for images. */
  sequence: number;
}

interface Subject {
  title: string;
  /** What is reported, from the last evaluation of the full network; accuracy as a share. */
  metric: 'loss' | 'accuracy';
  /** Makes sure that the dataset is in the catalogue; its name. */
  dataset(out: string, home: string): Promise<string>;
  sizes: Sizes;
  config(sizes: Sizes): Record<'model' | 'training' | 'evaluation', object>;
}

const subjects: Record<string, Subject> = {
  llama: {
    title: 'LLaMA of 5.7 M parameters on the bytes of English text: validation loss per byte, nats',
    metric: 'loss',
    dataset: importText,
    sizes: { steps: 300, batch: 16, sequence: 128 },
    config: ({ sequence }) => ({
      model: { family: 'llama', vocab: 256, hidden: 256, ff: 688, layers: 7, heads: 8, kvHeads: 8, seq: sequence },
      training: {
        optimizer: 'adamw',
        learningRate: 0.001,
        weightDecay: 0.1,
        clipGlobalNorm: 1,
        schedule: 'cosine',
        warmupSteps: 30,
        finalFraction: 0.1,
      },
      evaluation: { batch: 4, samples: 400 },
    }),
  },
  resnet: {
    title: 'ResNet-18 at width 16 on MNIST: accuracy on the 10,000 test images',
    metric: 'accuracy',
    dataset: async (_, home) => (await ensureSample(home, 'mnist')).name,
    sizes: { steps: 300, batch: 64, sequence: 0 },
    config: () => ({
      model: { family: 'resnet', layers: [2, 2, 2, 2], width: 16, stem: 'cifar' },
      training: { optimizer: 'sgd', learningRate: 0.1, schedule: 'onecycle' },
      evaluation: { batch: 100 },
    }),
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
  subnetworks: { coverage, granularity, masking },
  stepFactor,
});

const variants: Variant[] = [
  { name: 'DDP', subnetworks: { coverage: workers }, stepFactor: 1 },
  masked('block', 'backward'),
  masked('neuron', 'backward'),
  masked('block', 'forward'),
  masked('block', 'forward', workers / coverage),
  masked('neuron', 'forward'),
  masked('neuron', 'forward', workers / coverage),
];

interface Result {
  loss: number;
  accuracy: number;
  /** Of all workers and steps. */
  flops: number;
  minutes: number;
}

/** By the configuration of the run. */
type Results = Record<string, Result>;

/** One subject with its sizes and data. */
interface Bench {
  subject: Subject;
  sizes: Sizes;
  dataset: string;
  numSeeds: number;
  threads: number;
}

export async function main(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      subject: { type: 'string' },
      steps: { type: 'string' },
      batch: { type: 'string' },
      sequence: { type: 'string' },
      seeds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      out: { type: 'string', default: join(homedir(), '.cache/sdp-bench') },
      table: { type: 'string', default: join(import.meta.dirname, 'learning.md') },
    },
  });
  const names = flags.subject === undefined ? Object.keys(subjects) : [flags.subject];
  const home = join(flags.out, 'home');
  await mkdir(home, { recursive: true });
  const benches: Bench[] = [];
  for (const name of names) {
    const subject = subjects[name];
    if (!subject) throw new Error(`--subject is ${Object.keys(subjects).join(' or ')}, got ${name}`);
    const given = Object.entries({ steps: flags.steps, batch: flags.batch, sequence: flags.sequence });
    const numbers = given.flatMap(([size, value]) => (value === undefined ? [] : [[size, Number(value)]]));
    const sizes = { ...subject.sizes, ...(Object.fromEntries(numbers) as Partial<Sizes>) };
    const dataset = await subject.dataset(flags.out, home);
    benches.push({ subject, sizes, dataset, numSeeds: Number(flags.seeds), threads: Number(flags.threads) });
  }
  await runAll(benches, { home, file: join(flags.out, 'learning.json'), table: flags.table });
}

async function runAll(
  benches: readonly Bench[],
  { home, file, table }: Record<'home' | 'file' | 'table', string>,
): Promise<void> {
  const results = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Results;
  const app = await createApp({ home, spawnDevice: builtWorker() });
  for (const bench of benches)
    for (let seed = 0; seed < bench.numSeeds; seed++)
      for (const variant of variants) {
        const config = configOf(bench, variant, seed);
        const key = JSON.stringify(config);
        if (results[key]) continue;
        results[key] = await train(app, config);
        await writeFile(file, JSON.stringify(results, null, 1));
        await writeFile(table, await page(benches, results));
        console.error(`${config.name}: ${bench.subject.metric} ${shown(results[key][bench.subject.metric])}`);
      }
  await app.close();
  await writeFile(table, await page(benches, results));
  console.log(`written: ${table}`);
}

function configOf({ subject, sizes, dataset, threads }: Bench, variant: Variant, seed: number): RunConfig {
  const { model, training, evaluation } = subject.config({ ...sizes, steps: sizes.steps * variant.stepFactor });
  return parseRunConfig({
    name: `${variant.name}, seed ${seed}`,
    model,
    data: { dataset },
    devices: [{ id: 'cpu:0', threads }],
    subnetworks: { workers, seed, ...variant.subnetworks },
    training: { ...training, steps: sizes.steps * variant.stepFactor, batch: sizes.batch, seed },
    evaluation,
  });
}

/** A run to its end, with its progress on standard error. Fails where the run does. */
async function train(app: App, config: RunConfig): Promise<Result> {
  const startedAt = performance.now();
  const { steps, batch } = config.training;
  let told = 0;
  const off = app.events.subscribe((event) => {
    if (event.name !== 'stepsAppended') return;
    const { columns } = event.payload as { columns: { step: number[]; loss: (number | null)[][] } };
    const step = (columns.step.at(-1) ?? 0) + 1;
    if (step < told + steps / 10) return;
    told = step;
    console.error(`${config.name}: step ${step} of ${steps}, loss of worker 0 ${columns.loss[0]!.at(-1)?.toFixed(3)}`);
  });
  const runId = await app.start(config);
  const { state, step, reason } = await app.whenEnded(runId);
  off();
  if (state !== 'done') throw new Error(`${config.name}: ${state} at step ${step}: ${reason}`);
  const { evaluations, plan } = await app.handlers.getRun({ runId }, { signal: AbortSignal.timeout(60_000) });
  const { loss, accuracy } = evaluations.at(-1)!;
  const perSample = plan!.workers.reduce((sum, worker) => sum + worker.flopsPerSample, 0) / workers;
  return {
    loss: loss ?? NaN,
    accuracy: accuracy!,
    flops: steps * batch * perSample,
    minutes: (performance.now() - startedAt) / 6e4,
  };
}

/** All that has been measured, as Markdown. */
async function page(benches: readonly Bench[], results: Results): Promise<string> {
  const machine = `${cpus().length} x ${cpus()[0]!.model.trim()}`;
  const head = [
    '# What each regime learns',
    `Written by \`node bench/learning.mjs\` (see learning.ts), ${new Date().toISOString().slice(0, 10)}, on ${machine}.`,
    `${workers} workers, each unit held by ${coverage}. The full network is evaluated, with re-estimated statistics and scaled branches after`,
    'forward masking. FLOPs: of all steps, over those of DDP.',
  ];
  const text = [
    ...head.slice(0, 1),
    '',
    ...head.slice(1),
    ...benches.flatMap((bench) => ['', ...section(bench, results)]),
  ];
  const path = join(import.meta.dirname, 'learning.md');
  return format(text.join('\n'), { ...(await resolveConfig(path)), parser: 'markdown' });
}

function section(bench: Bench, results: Results): string[] {
  const { subject, sizes, numSeeds } = bench;
  const of = variants.map((variant) =>
    Array.from({ length: numSeeds }, (_, seed) => results[JSON.stringify(configOf(bench, variant, seed))]).filter(
      (result) => result !== undefined,
    ),
  );
  const ddpFlops = of[0]![0]?.flops;
  const rows = variants.map(({ name, stepFactor }, index) => {
    const values = of[index]!.map((result) => result[subject.metric]);
    const flops = of[index]![0]?.flops;
    const share = flops && ddpFlops ? (flops / ddpFlops).toFixed(2) : '';
    const cells = [name, sizes.steps * stepFactor, share, ...summary(values), values.map(shown).join(', ')];
    return `| ${cells.join(' | ')} |`;
  });
  const sample = subject.sizes.sequence > 0 ? ` of ${sizes.sequence} tokens` : '';
  return [
    `## ${subject.title}`,
    '',
    `${sizes.batch} samples${sample} per step over all workers.`,
    '',
    '| regime | steps | FLOPs | mean | standard error | by seed |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ];
}

const shown = (value: number) => value.toFixed(4);

/** Mean and its standard error, as far as there are values enough. */
function summary(values: readonly number[]): string[] {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return [count > 0 ? shown(mean) : '', count > 1 ? shown(Math.sqrt(variance / count)) : ''];
}

/** All speeches as one file of tokens, a byte each. */
async function importText(out: string, home: string): Promise<string> {
  const name = 'sotu';
  const there = await getDataset(home, name).catch(() => null);
  if (there) return name;
  const unpacked = await promisify(execFile)('unzip', ['-p', samplePath('speeches')], {
    encoding: 'buffer',
    maxBuffer: 2 ** 30,
  });
  const path = join(out, 'sotu.bin');
  await writeFile(path, new Uint8Array(Uint16Array.from(unpacked.stdout).buffer));
  await importDataset({ paths: [path], name, home });
  return name;
}
