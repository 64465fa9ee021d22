// Exports in every format and type that stores weights otherwise: how long each takes, how much memory and disk, and how well the model does
// afterwards.
//
// Memory is what the process of the export takes of its own at most (RssAnon of Linux, every 10 ms), with what this process grows by; the
// store and the device process are those of a run. Accuracy and perplexity are of the file: each is loaded by ONNX Runtime, or decoded.

import { readFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { weightTypes, type ExportFormat, type WeightType } from '../src-main/contract/exportFormat.ts';
import { parseRunConfig, type RunConfig } from '../src-main/contract/runConfig.ts';
import { ensureSample } from '../src-main/data/samples.ts';
import { readSequences } from '../src-main/data/sequences.ts';
import type { Feed } from '../src-main/export/feed.ts';
import { logitsOfGguf } from '../src-main/export/ggufExport.ts';
import { logitsOfOnnx, logitsOfSafetensors } from '../src-main/export/verify.ts';
import { createModel } from '../src-main/families/models.ts';
import { prepareFromHome } from '../src-main/fleet/openFleet.ts';
import { createApp, type App } from '../src-main/lab/app.ts';
import { samples } from '../src-main/lab/samples.ts';
import type { ModelDefinition } from '../src-main/models/model.ts';
import { native } from '../src-main/native.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

const count = { images: 1000, tokens: 8 };

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      preset: { type: 'string', default: '134M' },
      steps: { type: 'string' },
      only: { type: 'string', default: '' },
    },
  });
  const steps = values.steps === undefined ? {} : { steps: Number(values.steps) };
  const home = await mkdtemp(join(tmpdir(), 'sdp-exports-'));
  const exporting: { pid?: number | undefined } = {};
  const spawn = builtWorker();
  const spawnDevice: typeof spawn = (name) => {
    const started = spawn(name);
    if (name === 'export') exporting.pid = started.pid;
    return started;
  };
  const app = await createApp({ home, spawnDevice });
  try {
    for (const id of ['speeches', 'mnist']) await ensureSample(home, id);
    const { config } = samples[0]!;
    const sample = { ...config, training: { ...config.training, ...steps } };
    const llama = parseRunConfig({
      name: values.preset,
      model: { family: 'llama', preset: values.preset, vocab: 32_000, seq: 256 },
      data: { dataset: 'speeches' },
      subnetworks: { workers: 2, coverage: 1, granularity: 'neuron', masking: 'backward' },
      devices: ['cpu:0'],
      training: { steps: 20, ...steps, batch: 4, optimizer: 'adamw', learningRate: 5e-4 },
      evaluation: { every: 0, samples: 4 },
      checkpoint: { every: 0 },
    });
    console.log('| model | format | seconds | memory, MB | of float32 | size, MB | accuracy or perplexity |');
    console.log('|---|---|---|---|---|---|---|');
    for (const [title, own] of [
      ['sample', sample],
      [`LLaMA ${values.preset}`, llama],
    ] as const)
      if (title.includes(values.only)) await report(app, home, title, own, exporting, spawnDevice);
  } finally {
    await app.close();
    await rm(home, { recursive: true, force: true });
  }
}

async function report(
  app: App,
  home: string,
  title: string,
  config: RunConfig,
  exporting: { pid?: number | undefined },
  spawnDevice: ReturnType<typeof builtWorker>,
): Promise<void> {
  const runId = await app.start(config, { force: true });
  const { state, reason } = await app.whenEnded(runId);
  if (state !== 'done') throw new Error(`${title}: ${state}, ${reason}`);
  const { spec, setup } = await prepareFromHome({ home, spawnDevice }, config);
  const model = createModel(spec);
  const isText = model.reads === 'tokens';
  const whole = model.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 4), 0);
  const { path, reads } = setup.evaluation.source;
  const first = Array.from({ length: count.images }, (_, at) => at);
  const feed: Feed =
    reads.kind === 'tokens'
      ? { data: await readSequences(path, reads.sequence, count.tokens), shape: [count.tokens, reads.sequence] }
      : { data: await native().readImages(path, reads, first), shape: [count.images, ...model.sample] };
  const labels = isText ? null : await readFile(join(path, 'labels.npy'));
  const formats: ExportFormat[] = isText ? ['safetensors', 'onnx', 'gguf'] : ['safetensors', 'onnx'];
  for (const format of formats)
    for (const type of weightTypes[format]) {
      const out = join(home, `out-${format}-${type}`);
      const { seconds, memory, files } = await measured(() => app.export(runId, format, { out, type }), exporting);
      const size = (await Promise.all(files.filter(isWeights).map(async (file) => (await stat(file)).size))).reduce(
        (a, b) => a + b,
      );
      const logits = await logitsOf(format, files, model, feed);
      const score = labels
        ? accuracy(logits, labels, model.classes).toFixed(4)
        : perplexity(logits, feed, model.classes).toFixed(2);
      const cells = [
        title,
        named(format, type),
        seconds.toFixed(1),
        mega(memory),
        (memory / whole).toFixed(2),
        mega(size),
        score,
      ];
      console.log(`| ${cells.join(' | ')} |`);
      await rm(out, { recursive: true });
    }
}

const isWeights = (file: string): boolean => /\.(safetensors|onnx|onnx_data|gguf)$/.test(file);
const named = (format: ExportFormat, type: WeightType): string => `${format}, ${type}`;
const mega = (bytes: number): string => (bytes / 1e6).toFixed(1);

async function logitsOf(format: ExportFormat, files: string[], model: ModelDefinition, feed: Feed) {
  if (format === 'onnx') return await logitsOfOnnx(files[0]!, feed);
  if (format === 'gguf') return await logitsOfGguf(files[0]!, model, feed);
  return await logitsOfSafetensors(model, files.filter(isWeights), feed);
}

async function measured<T extends object>(work: () => Promise<T>, exporting: { pid?: number | undefined }) {
  const own = await anonymousBytes(process.pid);
  let memory = 0;
  let running = true;
  const watch = async (): Promise<void> => {
    while (running) {
      const other = exporting.pid === undefined ? 0 : await anonymousBytes(exporting.pid);
      memory = Math.max(memory, other + Math.max(0, (await anonymousBytes(process.pid)) - own));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const watching = watch();
  const start = performance.now();
  try {
    const result = await work();
    return { ...result, seconds: (performance.now() - start) / 1000, memory };
  } finally {
    running = false;
    await watching;
    exporting.pid = undefined;
  }
}

/** 0 of a process that has ended. */
async function anonymousBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
}

/** `npy`: the labels of the first samples, int64 behind a header of 128 bytes. */
function accuracy(logits: Float32Array, npy: Buffer, classes: number): number {
  const rows = logits.length / classes;
  const right = Array.from({ length: rows }, (_, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    return scores.indexOf(Math.max(...scores)) === Number(npy.readBigInt64LE(128 + 8 * row));
  });
  return right.filter(Boolean).length / rows;
}

/** Of each token but the first of its text. */
function perplexity(logits: Float32Array, { data, shape }: Feed, classes: number): number {
  const [texts, length] = shape as [number, number];
  let sum = 0;
  for (let text = 0; text < texts; text += 1)
    for (let at = 0; at + 1 < length; at += 1) {
      const from = (text * length + at) * classes;
      const scores = logits.subarray(from, from + classes);
      const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
      const total = scores.reduce((all, score) => all + Math.exp(score - largest), 0);
      sum += largest + Math.log(total) - scores[Number(data[text * length + at + 1])]!;
    }
  return Math.exp(sum / (texts * (length - 1)));
}
