// Time of a training step (forward and backward) in the real engine, and in PyTorch eager where `--python` names a Python that has torch
// (and torchvision): ResNet-18 with a CIFAR stem on 32x32 images, or a LLaMA of 5.8 M parameters on sequences of 256 tokens.
//
// Both sides get the same weights and samples, and the losses are compared. They take turns, step by step, in one run, so that a busy
// machine disturbs both alike; trust the ratio more than the times. Optimizer and averaging are not in the times of either side.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ModelSpec } from '../src-main/families/configs.ts';
import { Engine } from '../src-main/kit/engine.ts';
import { median } from '../src-main/kit/section.ts';
import { Torch } from '../src-main/kit/torch.ts';

const warmUpSteps = 3;
const device = { id: 'cpu:0', kind: 'cpu', index: 0 } as const;

interface Subject {
  title: string;
  spec: ModelSpec;
  batch: number;
}

const subjects: Record<string, Subject> = {
  resnet: {
    title: 'ResNet-18',
    spec: {
      family: 'resnet',
      layers: [2, 2, 2, 2],
      width: 64,
      stem: 'cifar',
      channels: 3,
      classes: 10,
      image: [32, 32],
    },
    batch: 32,
  },
  llama: {
    title: 'LLaMA',
    spec: {
      family: 'llama',
      vocab: 2048,
      hidden: 256,
      ff: 688,
      layers: 6,
      heads: 8,
      kvHeads: 8,
      seq: 256,
      tied: false,
    },
    batch: 8,
  },
};

/** One side of the comparison: runs a step and returns its milliseconds and loss. */
interface Runner {
  step(): Promise<{ ms: number; loss: number }>;
  close(): void | Promise<void>;
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
    runners.push(await openEngine(folder, subject.spec, batch, threads));
    if (values.python) runners.push(await openTorch(values.python, folder, subject.spec, batch, threads));
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
    return { side: ['SDP Lab', 'PyTorch'][side]!, median: median(ms), least: Math.min(...ms), loss };
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

/** One worker on one CPU device, all blocks held; learning rate 0 keeps the weights that are written for PyTorch. */
async function openEngine(folder: string, spec: ModelSpec, batch: number, threads: number): Promise<Runner> {
  const plain = { regime: 'ddp', optimizer: 'sgd', learningRate: 0 } as const;
  const engine = await Engine.open({ folder, spec, batch, device, threads, ...plain });
  return {
    async step() {
      const { computeMs, loss } = await engine.steps(1);
      return { ms: computeMs[0]!, loss: loss[0]! };
    },
    close: () => engine.close(),
  };
}

async function openTorch(
  python: string,
  folder: string,
  spec: ModelSpec,
  batch: number,
  threads: number,
): Promise<Runner> {
  const script = join(import.meta.dirname, 'step_torch.py');
  const plain = { regime: 'ddp', optimizer: 'none', learningRate: 0, attention: 'eager' } as const;
  const torch = await Torch.open({ python, script, folder, spec, batch, threads, device: 'cpu', index: 0, ...plain });
  return {
    async step() {
      const { ms, loss } = await torch.steps(1);
      return { ms: ms[0]!, loss: loss[0]! };
    },
    close: () => torch.close(),
  };
}
