// Training steps beside PyTorch eager in the same precision, taking turns, and the memory of the device: predicted, counted by the runtime, and as
// the driver sees the process.

import { join } from 'node:path';
import { cudaCards } from '../device/nvidiaCards.ts';
import { firstCaseSection } from './cases.ts';
import { Engine, type EngineOptions, type Regime } from './engine.ts';
import { type Cell, cellText } from './report.ts';
import { type KitContext, median, type Section, type SectionLog } from './section.ts';
import { regimes, type Subject, subjects } from './subjects.ts';
import { Torch, type TorchSteps } from './torch.ts';

/** Steps of a side in a turn; those of the first turn warm up and do not count. */
const warmUps = 2;
const stepsPerTurn = 5;
/** Of each side, and about how long both take together: slow cards do fewer. */
const mostSteps = (context: KitContext) => (context.quick ? 10 : 30);
const leastSteps = 3;
const measuredMs = 10_000;
/** Largest relative difference of the first loss from that of PyTorch. */
const sameLoss = 1e-3;

export function stepSection(name: Subject['name'], title: string, limit: number): Section {
  return { name, title, limit, usesTorch: true, run: (context, log) => measureSteps(name, context, log) };
}

/** The ResNet again with gradients of convolutions and BatchNorm by cuDNN, and a case that has them. */
export const customSection: Section = {
  name: 'custom',
  title: "ResNet with custom operators that call cuDNN's own gradients",
  limit: 60,
  usesTorch: true,
  env: { SDP_CUDA_CUSTOM_OPS: '1' },
  skip: ({ device }) => (device.kind === 'cuda' ? null : 'custom operators exist for CUDA only'),
  run: async (context, log) => {
    await firstCaseSection.run(context, log);
    await measureSteps('resnet', context, log);
  },
};

export const threadsOf = ({ device }: KitContext) => (device.kind === 'cpu' ? 2 : 8);

export function engineOptions(context: KitContext, subject: Subject, regime: Regime, folder: string): EngineOptions {
  const { spec, batch, optimizer, learningRate } = subject;
  return { folder, spec, batch, regime, device: context.device, threads: threadsOf(context), optimizer, learningRate };
}

async function measureSteps(name: Subject['name'], context: KitContext, log: SectionLog): Promise<void> {
  const subject = subjects(context.quick).find((each) => each.name === name)!;
  log.note(
    `${subject.title}. Medians of the steps after the first ones, float32 without TF32, ${subject.optimizer}. ` +
      'Half of all blocks or neurons are held under the other two regimes (k/N = 1/2).',
  );
  const step = log.table('Steps', [
    'regime',
    'SDP Lab, ms',
    'PyTorch, ms',
    'SDP Lab / PyTorch',
    'forward and backward with copies, ms',
    'of it copies, ms',
    'averaging and update, ms',
    'waiting for data, ms',
    'loss differs by',
  ]);
  const memory = log.table('Memory of the device, MiB', [
    'regime',
    'weights',
    'gradients',
    'intermediates',
    'predicted in all',
    'measured by the runtime',
    'process by the driver',
    'PyTorch peak',
  ]);
  const beside = new Beside(context, log);
  for (const regime of regimes) {
    try {
      const { row, memoryRow, ms, torchMs, loss, difference } = await measureRegime(context, subject, regime, beside);
      step(row);
      memory(memoryRow);
      // A loss that no cross entropy has: nothing was computed.
      if (!(loss > 0 && loss < Infinity)) log.problem(regime, `the loss of the first step is ${loss}`);
      if (difference !== null && !(difference < sameLoss))
        log.problem(regime, `the loss of the first step differs from that of PyTorch by ${cellText(difference)}`);
      if (regime === 'ddp') log.headline(headlineOf(subject, ms, torchMs));
    } catch (error) {
      log.problem(regime, error);
    }
  }
}

function headlineOf({ title }: Subject, ms: number, torchMs: number | null): string {
  const torch = torchMs === null ? '' : `, ${cellText(ms / torchMs)} times the ${cellText(torchMs)} ms of PyTorch`;
  return `${title}: a step takes ${cellText(ms)} ms${torch}.`;
}

/** PyTorch's side as long as it works; once it has failed, a note says why, and the other side is measured alone. */
class Beside {
  private told = '';
  private failed = false;

  constructor(
    private readonly context: KitContext,
    private readonly log: SectionLog,
  ) {
    const { python, device } = context;
    if (python.problem !== undefined && device.kind !== 'webgpu')
      this.tell(`Nothing stands beside: ${python.problem}.`);
  }

  async open(subject: Subject, regime: Regime, folder: string): Promise<Torch | null> {
    if (this.failed) return null;
    try {
      const torch = await openTorch(this.context, subject, regime, folder);
      if (torch) this.tell(`${torch.version}.`);
      return torch;
    } catch (error) {
      return this.fail(error);
    }
  }

  async steps(torch: Torch | null, count: number): Promise<TorchSteps | null> {
    if (torch === null || this.failed) return null;
    return await torch.steps(count).catch((error: unknown) => this.fail(error));
  }

  private fail(error: unknown): null {
    this.failed = true;
    this.log.problem('PyTorch', error);
    return null;
  }

  private tell(text: string): void {
    if (this.told === text) return;
    this.told = text;
    this.log.note(text);
  }
}

async function measureRegime(context: KitContext, subject: Subject, regime: Regime, beside: Beside) {
  const folder = join(context.scratch, `${subject.name}-${regime}`);
  const usedBefore = await cardBytes(context);
  const engine = await Engine.open(engineOptions(context, subject, regime, folder));
  let torch: Torch | null = null;
  try {
    const warm = await engine.steps(warmUps);
    const ofDriver = await driverBytes(context, usedBefore);
    torch = await beside.open(subject, regime, folder);
    const warmTorch = await beside.steps(torch, warmUps);
    const difference = warmTorch && regime === 'ddp' ? Math.abs(warm.loss[0]! / warmTorch.loss[0]! - 1) : null;
    const pairMs = wholeMs(samplesOf(warm).at(-1)!) + (warmTorch?.ms.at(-1) ?? 0);
    let left = Math.min(mostSteps(context), Math.max(leastSteps, Math.round(measuredMs / pairMs)));
    const ours: Sample[] = [];
    const theirs = { ms: [] as number[], peakBytes: warmTorch?.peakBytes ?? 0 };
    while (left > 0) {
      const count = Math.min(left, stepsPerTurn);
      left -= count;
      ours.push(...samplesOf(await engine.steps(count)));
      const steps = await beside.steps(torch, count);
      theirs.ms.push(...(steps?.ms ?? []));
      theirs.peakBytes = steps?.peakBytes ?? theirs.peakBytes;
    }
    const of = (value: (sample: Sample) => number) => median(ours.map(value));
    const whole = of(wholeMs);
    const other = theirs.ms.length > 0 ? median(theirs.ms) : null;
    return {
      row: [
        regime,
        whole,
        other,
        other === null ? null : whole / other,
        of(({ compute }) => compute),
        of(({ copy }) => copy),
        of(({ sync }) => sync),
        of(({ data }) => data),
        difference,
      ],
      memoryRow: memoryRow(context, engine, regime, { ofDriver, torch: theirs.peakBytes }),
      ms: whole,
      torchMs: other,
      loss: warm.loss[0]!,
      difference,
    };
  } finally {
    torch?.close();
    await engine.close();
  }
}

interface Sample {
  compute: number;
  copy: number;
  sync: number;
  data: number;
}

const wholeMs = ({ compute, sync, data }: Sample) => compute + sync + data;

function samplesOf({ computeMs, copyMs, syncMs, dataMs }: Awaited<ReturnType<Engine['steps']>>): Sample[] {
  return computeMs.map((compute, i) => ({ compute, copy: copyMs[i]!, sync: syncMs[i]!, data: dataMs[i]! }));
}

/** Null where no Python has torch, or the device is not one that PyTorch knows. */
async function openTorch(context: KitContext, subject: Subject, regime: Regime, folder: string): Promise<Torch | null> {
  const { python, device, assets } = context;
  if (python.path === undefined || device.kind === 'webgpu') return null;
  const { spec, batch, optimizer, learningRate } = subject;
  return await Torch.open({
    python: python.path,
    script: assets.torch,
    folder,
    spec,
    batch,
    regime,
    device: device.kind,
    index: device.index,
    threads: threadsOf(context),
    optimizer,
    learningRate,
    attention: 'sdpa',
  });
}

const mib = (bytes: number) => bytes / 2 ** 20;

function memoryRow(
  { device }: KitContext,
  engine: Engine,
  regime: Regime,
  bytes: { ofDriver: number | null; torch: number },
): Cell[] {
  const { weights, gradients, activations } = engine.predicted;
  return [
    regime,
    mib(weights),
    mib(gradients),
    mib(activations),
    mib(weights + gradients + activations),
    mib(measuredBytes(device.kind, engine)),
    bytes.ofDriver === null ? null : mib(bytes.ofDriver),
    bytes.torch > 0 ? mib(bytes.torch) : null,
  ];
}

/** The largest that the runtime's allocator has held on the device; of a CPU device what it has used of the store, and its arena. */
function measuredBytes(kind: KitContext['device']['kind'], { device }: Engine): number {
  if (kind !== 'cpu') return device.allocatorStatistics().MaxInUse ?? NaN;
  const { valuesBytes, gradientsBytes, arenaPeakBytes } = device.memory();
  return valuesBytes + gradientsBytes + arenaPeakBytes;
}

/** What is in use of a card; null where the driver does not tell. */
async function cardBytes({ device }: KitContext): Promise<number | null> {
  if (device.kind !== 'cuda') return null;
  return (await cudaCards()).cards[device.index]?.usedBytes ?? null;
}

/**
 * What the driver says that this process holds on the card, else (in a container, where the driver knows it by another number) by how much
 * the use of the card has grown; null where it tells neither.
 */
async function driverBytes({ device }: KitContext, usedBefore: number | null): Promise<number | null> {
  if (device.kind !== 'cuda') return null;
  const card = (await cudaCards()).cards[device.index];
  const own = card?.processes.find(({ pid }) => pid === process.pid)?.usedBytes;
  const used = card?.usedBytes ?? null;
  return own ?? (used === null || usedBefore === null ? null : used - usedBefore);
}
