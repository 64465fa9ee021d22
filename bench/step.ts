// Time of the ResNet-18 training step (forward and backward; CIFAR stem, 32x32 images), in the real engine, and in PyTorch eager where
// `--python` names a Python that has torch and torchvision.
//
// Both sides get the same weights and images, and the losses are compared. They take turns, step by step, in one run, so that a busy
// machine disturbs both alike; trust the ratio more than the times. Optimizer and averaging are not in the times of either side.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { deviceSetup, type DeviceSetup } from '../src-main/contract/deviceMessages.ts';
import { writeSafetensors, type SafeTensor } from '../src-main/export/safetensors.ts';
import { storeLayout } from '../src-main/memory/storeLayout.ts';
import { createModel } from '../src-main/models/index.ts';
import { resnetPresets } from '../src-main/models/resnet.ts';
import { native, type InitSpec } from '../src-main/native.ts';
import { randomSource } from '../src-main/testing/random.ts';
import { Bindings } from '../src-main/worker/bindings.ts';
import { runtimeLibrary } from '../src-main/worker/runtimeLibrary.ts';

const spec = { family: 'resnet' as const, width: 64, stem: 'cifar' as const, channels: 3, classes: 10 };
const image: [number, number] = [32, 32];
const warmUpSteps = 3;

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
      batch: { type: 'string', default: '32' },
      python: { type: 'string' },
    },
  });
  const [threads, steps, batch] = [Number(values.threads), Number(values.steps), Number(values.batch)];
  const folder = await mkdtemp(join(tmpdir(), 'sdp-bench-'));
  const runners: Runner[] = [];
  try {
    await writeBatches(folder, batch, steps + warmUpSteps);
    runners.push(await openEngine(folder, batch, threads));
    if (values.python) runners.push(openTorch(values.python, folder, threads));
    report(await takeTurns(runners, steps), threads, batch);
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

function report(results: { ms: number[]; loss: number }[], threads: number, batch: number): void {
  const figures = results.map(({ ms, loss }, side) => {
    const sorted = [...ms].sort((a, b) => a - b);
    return {
      side: ['SDP Lab', 'PyTorch'][side]!,
      median: sorted[Math.floor(sorted.length / 2)]!,
      least: sorted[0]!,
      loss,
    };
  });
  console.log(`ResNet-18, batch ${batch}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, forward and backward`);
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

/** The same images and labels for every step. */
async function writeBatches(folder: string, batch: number, steps: number): Promise<void> {
  const random = randomSource(1);
  const pixels = Float32Array.from({ length: batch * spec.channels * image[0] * image[1] }, () => 4 * random() - 2);
  const labels = BigInt64Array.from({ length: batch }, () => BigInt(Math.floor(random() * spec.classes)));
  const input: SafeTensor = {
    dtype: 'F32',
    shape: [batch, spec.channels, ...image],
    data: new Uint8Array(pixels.buffer),
  };
  const label: SafeTensor = { dtype: 'I64', shape: [batch], data: new Uint8Array(labels.buffer) };
  const tensors = Array.from({ length: steps }, (_, t) => [
    [`step${t}.worker0.input`, input] as const,
    [`step${t}.worker0.label`, label] as const,
  ]);
  await writeSafetensors(join(folder, 'batches.safetensors'), new Map(tensors.flat()), {});
}

/** One worker on one CPU device, all blocks held; learning rate 0 keeps the weights that are written for PyTorch. */
async function openEngine(folder: string, batch: number, threads: number): Promise<Runner> {
  const modelSpec = { ...spec, layers: [...resnetPresets.resnet18], image };
  const model = createModel(modelSpec);
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
    sequence: 0,
    seed: 0,
    numWorkers: 1,
    microBatch: batch,
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
    model: modelSpec,
    masks,
    layout: JSON.stringify(layout),
    microBatch: batch,
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
