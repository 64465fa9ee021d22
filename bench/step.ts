// Time of a training step (forward and backward) in the real engine, and in PyTorch eager where `--python` names a Python that has torch
// (and torchvision): ResNet-18 with a CIFAR stem on 32x32 images, or a LLaMA of 5.8 M parameters on sequences of 256 tokens.
//
// Both sides get the same weights and samples, and the losses are compared. They take turns, step by step, in one run, so that a busy
// machine disturbs both alike; trust the ratio more than the times. Optimizer and averaging are not in the times of either side.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { deviceSetup, plainTraining, type DeviceSetup, type ModelSpec } from '../src-main/contract/deviceMessages.ts';
import { writeSafetensors, type SafeTensor } from '../src-main/export/safetensors.ts';
import { storeLayout } from '../src-main/memory/storeLayout.ts';
import { createModel } from '../src-main/models/index.ts';
import { resnetPresets } from '../src-main/models/resnet.ts';
import { native, type InitSpec } from '../src-main/native.ts';
import { randomSource } from '../src-main/testing/random.ts';
import { Bindings } from '../src-main/worker/bindings.ts';
import { runtimeLibrary } from '../src-main/worker/runtimeLibrary.ts';

const warmUpSteps = 3;

interface Subject {
  title: string;
  spec: ModelSpec;
  batch: number;
  /** Input and labels of a micro-batch. */
  samples(batch: number): { input: SafeTensor; label: SafeTensor };
}

const image: [number, number] = [32, 32];
const [vocab, seq] = [2048, 256];

const subjects: Record<string, Subject> = {
  resnet: {
    title: 'ResNet-18',
    spec: {
      family: 'resnet',
      layers: [...resnetPresets.resnet18],
      width: 64,
      stem: 'cifar',
      channels: 3,
      classes: 10,
      image,
    },
    batch: 32,
    samples(batch) {
      const random = randomSource(1);
      const pixels = Float32Array.from({ length: batch * 3 * image[0] * image[1] }, () => 4 * random() - 2);
      return {
        input: { dtype: 'F32', shape: [batch, 3, ...image], data: new Uint8Array(pixels.buffer) },
        label: integers([batch], () => Math.floor(random() * 10)),
      };
    },
  },
  llama: {
    title: 'LLaMA',
    spec: { family: 'llama', vocab, hidden: 256, ff: 688, layers: 6, heads: 8, kvHeads: 8, seq, tied: false },
    batch: 8,
    samples(batch) {
      const random = randomSource(1);
      const tokens = Array.from({ length: batch * (seq + 1) }, () => Math.floor(random() * vocab));
      const at = (i: number, shift: number) => tokens[Math.floor(i / seq) * (seq + 1) + (i % seq) + shift]!;
      return { input: integers([batch, seq], (i) => at(i, 0)), label: integers([batch, seq], (i) => at(i, 1)) };
    },
  },
};

function integers(shape: number[], value: (index: number) => number): SafeTensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const data = BigInt64Array.from({ length: size }, (_, index) => BigInt(value(index)));
  return { dtype: 'I64', shape, data: new Uint8Array(data.buffer) };
}

/** One side of the comparison: runs a step and returns its milliseconds and loss. */
interface Runner {
  step(): Promise<{ ms: number; loss: number }>;
  close(): Promise<void>;
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      threads: { type: 'string', default: '2' },
      steps: { type: 'string', default: '15' },
      model: { type: 'string', default: 'resnet' },
      batch: { type: 'string' },
      python: { type: 'string' },
    },
  });
  const subject = subjects[values.model];
  if (!subject) throw new Error(`--model must be ${Object.keys(subjects).join(' or ')}`);
  const [threads, steps, batch] = [Number(values.threads), Number(values.steps), Number(values.batch ?? subject.batch)];
  const folder = await mkdtemp(join(tmpdir(), 'sdp-bench-'));
  const runners: Runner[] = [];
  try {
    await writeBatches(folder, subject.samples(batch), steps + warmUpSteps);
    await writeFile(join(folder, 'model.json'), JSON.stringify(subject.spec));
    runners.push(await openEngine(folder, subject.spec, batch, threads));
    if (values.python) runners.push(openTorch(values.python, folder, threads));
    report(await takeTurns(runners, steps), `${subject.title}, batch ${batch}`, threads);
  } finally {
    for (const runner of runners) await runner.close();
    await rm(folder, { recursive: true });
  }
}

async function takeTurns(runners: Runner[], steps: number): Promise<{ ms: number[]; loss: number }[]> {
  const results = runners.map(() => ({ ms: [] as number[], loss: NaN }));
  for (let step = 0; step < warmUpSteps + steps; step++) {
    for (const [side, runner] of runners.entries()) {
      const { ms, loss } = await runner.step();
      if (step >= warmUpSteps) results[side]!.ms.push(ms);
      results[side]!.loss = loss;
    }
  }
  return results;
}

function report(results: { ms: number[]; loss: number }[], title: string, threads: number): void {
  const figures = results.map(({ ms, loss }, side) => {
    const sorted = [...ms].sort((a, b) => a - b);
    return {
      side: ['SDP Lab', 'PyTorch'][side]!,
      median: sorted[Math.floor(sorted.length / 2)]!,
      least: sorted[0]!,
      loss,
    };
  });
  console.log(`${title}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, forward and backward`);
  for (const { side, median, least, loss } of figures) {
    console.log(`${side}: median ${median.toFixed(0)} ms, least ${least.toFixed(0)} ms, loss ${loss.toFixed(5)}`);
  }
  const [ours, theirs] = figures;
  if (!ours || !theirs) return;
  console.log(
    `ratio: ${(ours.median / theirs.median).toFixed(2)} of medians, ${(ours.least / theirs.least).toFixed(2)} of least`,
  );
  if (!(Math.abs(ours.loss / theirs.loss - 1) < 1e-4)) throw new Error('the two sides do not compute the same loss');
}

/** The same samples for every step. */
async function writeBatches(folder: string, samples: ReturnType<Subject['samples']>, steps: number): Promise<void> {
  const tensors = Array.from({ length: steps }, (_, t) => [
    [`step${t}.worker0.input`, samples.input] as const,
    [`step${t}.worker0.label`, samples.label] as const,
  ]);
  await writeSafetensors(join(folder, 'batches.safetensors'), new Map(tensors.flat()), {});
}

/** One worker on one CPU device, all blocks held; learning rate 0 keeps the weights that are written for PyTorch. */
async function openEngine(folder: string, spec: ModelSpec, batch: number, threads: number): Promise<Runner> {
  const model = createModel(spec);
  const masks: DeviceSetup['masks'] = {
    granularity: 'block',
    masking: 'forward',
    held: [{ blocks: model.blocks, neurons: {} }],
  };
  const layout = storeLayout(model.tensors, masks, {
    numParticipants: 1,
    optimizerSlots: 0,
    statisticsBatches: 0,
    evaluationBatches: 1,
  });
  const store = native().createStore(join(folder, 'store'), JSON.stringify(layout));
  store.initialise(
    model.tensors.map(({ init }): InitSpec => initSpec(init)),
    1,
  );
  await store.writeValues(join(folder, 'init.safetensors'), { scales: {}, statistics: false, int64: [], metadata: {} });
  const source = {
    kind: 'case' as const,
    path: join(folder, 'batches.safetensors'),
    mean: [],
    std: [],
    seed: 0,
    numWorkers: 1,
    microBatch: batch,
    accumulation: 1,
    sequence: 0,
  };
  const optimizer = {
    kind: 'sgd' as const,
    momentum: 0,
    nesterov: false,
    weightDecay: 0,
    beta1: 0,
    beta2: 0,
    eps: 0,
    clipGlobalNorm: 0,
  };
  const setup = deviceSetup.parse({
    storePath: join(folder, 'store'),
    participant: 0,
    device: { id: 'cpu:0', kind: 'cpu', index: 0, threads },
    workers: [0],
    model: spec,
    masks,
    layout: JSON.stringify(layout),
    microBatch: batch,
    trainingGraph: plainTraining,
    optimizer,
    training: source,
    evaluation: { source, batch, statisticsBatches: 0, branchScale: 1 },
  });
  const { storePath, participant } = setup;
  const device = await native().openDevice({
    runtimeLibrary: runtimeLibrary(),
    storePath,
    participant,
    kind: 'cpu',
    index: 0,
    threads,
    preload: [],
  });
  const session = await device.addSession(new Bindings(model, setup, layout).training(0));
  let next = 0;
  return {
    async step() {
      await device.train({ sessions: [session], from: next, to: next + 1, learningRates: [0], optimizer, source });
      next += 1;
      const { computeMs, loss } = device.drainRecords();
      return { ms: computeMs[0]!, loss: loss[0]! };
    },
    async close() {
      device.close();
      store.close();
    },
  };
}

function initSpec(init: ReturnType<typeof createModel>['tensors'][number]['init']): InitSpec {
  if (init.kind === 'constant') return { kind: init.kind, value: init.value };
  return init.kind === 'normal' ? { kind: init.kind, value: init.std } : { kind: init.kind, value: init.bound };
}

/** A Python process that does one step for each line it gets. */
function openTorch(python: string, folder: string, threads: number): Runner {
  const child: ChildProcessWithoutNullStreams = spawn(python, [
    join(import.meta.dirname, 'step_torch.py'),
    folder,
    String(threads),
  ]);
  child.stderr.pipe(process.stderr);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async step() {
      child.stdin.write('step\n');
      const line: IteratorResult<string, undefined> = await lines.next();
      if (line.done) throw new Error(`${python} ended without an answer; does it have torch and torchvision?`);
      const [ms, loss] = line.value.split(' ').map(Number);
      return { ms: ms!, loss: loss! };
    },
    async close() {
      child.stdin.end();
    },
  };
}
