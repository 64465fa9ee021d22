// Training steps beside PyTorch eager in the same precision, taking turns, and the memory of the device: predicted, counted by the runtime, and as
// the driver sees the process.

import { join } from 'node:path';
import { native } from '../native.ts';
import { firstCaseSection } from './cases.ts';
import { Engine, type EngineOptions, type Regime } from './engine.ts';
import { type KitContext, median, messageOf, type Section, type SectionLog } from './section.ts';
import { regimes, type Subject, subjects } from './subjects.ts';
import { Torch } from './torch.ts';

/** Steps of a side in its turn, and turns; the first turn warms up and does not count. */
const stepsPerTurn = 5;
const turnsOf = (context: KitContext) => (context.quick ? 2 : 6);

export function stepSection(name: Subject['name'], title: string, limit: number): Section {
  return { name, title, limit, run: (context, log) => measureSteps(name, context, log) };
}

/** The ResNet again with gradients of convolutions and BatchNorm by cuDNN, and a case that has them. */
export const customSection: Section = {
  name: 'custom',
  title: "ResNet with custom operators that call cuDNN's own gradients",
  limit: 60,
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
  const torchWord = context.python ? '' : '; no Python with torch was found, so that nothing stands beside it';
  log.note(
    `${subject.title}. Milliseconds of a step (medians), float32 without TF32, ${subject.optimizer}${torchWord}.`,
  );
  const step = log.table('Steps', [
    'regime',
    'SDP Lab',
    'PyTorch',
    'ratio',
    'forward and backward with copies',
    'of it copies',
    'averaging and update',
    'waiting for data',
    'loss differs by',
  ]);
  const memory = log.table('Memory of the device, MiB', [
    'regime',
    'weights',
    'gradients',
    'intermediates',
    'predicted',
    'measured',
    'process by the driver',
    'PyTorch peak',
  ]);
  let version = '';
  const problems: string[] = [];
  for (const regime of regimes) {
    try {
      const { row, memoryRow, torchVersion } = await measureRegime(context, subject, regime);
      step(row);
      memory(memoryRow);
      version ||= torchVersion;
    } catch (error) {
      step([regime, null, null, null, null, null, null, null, null]);
      problems.push(`${regime}: ${messageOf(error)}`);
    }
  }
  if (version) log.note(version);
  if (problems.length > 0) throw new Error(problems.join('; '));
}

async function measureRegime(context: KitContext, subject: Subject, regime: Regime) {
  const folder = join(context.scratch, `${subject.name}-${regime}`);
  const engine = await Engine.open(engineOptions(context, subject, regime, folder));
  let torch: Torch | null = null;
  try {
    torch = await openTorch(context, subject, regime, folder);
    const ours: Sample[] = [];
    const theirs = { ms: [] as number[], peakBytes: 0 };
    let difference: number | null = null;
    for (let turn = 0; turn <= turnsOf(context); turn += 1) {
      const records = await engine.steps(stepsPerTurn);
      const steps = await torch?.steps(stepsPerTurn);
      if (turn === 0) {
        if (steps && regime === 'ddp') difference = Math.abs(records.loss[0]! / steps.loss[0]! - 1);
        continue;
      }
      ours.push(...samplesOf(records));
      theirs.ms.push(...(steps?.ms ?? []));
      theirs.peakBytes = steps?.peakBytes ?? 0;
    }
    const of = (value: (sample: Sample) => number) => median(ours.map(value));
    const whole = of(({ compute, sync, data }) => compute + sync + data);
    const other = torch ? median(theirs.ms) : null;
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
      memoryRow: await memoryRow(context, engine, regime, theirs.peakBytes),
      torchVersion: torch?.version ?? '',
    };
  } finally {
    torch?.close();
    engine.close();
  }
}

interface Sample {
  compute: number;
  copy: number;
  sync: number;
  data: number;
}

function samplesOf({ computeMs, copyMs, syncMs, dataMs }: Awaited<ReturnType<Engine['steps']>>): Sample[] {
  return computeMs.map((compute, i) => ({ compute, copy: copyMs[i]!, sync: syncMs[i]!, data: dataMs[i]! }));
}

/** Null where no Python has torch, or the device is not one that PyTorch knows. */
async function openTorch(context: KitContext, subject: Subject, regime: Regime, folder: string): Promise<Torch | null> {
  const { python, device, assets } = context;
  if (python === null || device.kind === 'webgpu') return null;
  const { spec, batch, optimizer, learningRate } = subject;
  return await Torch.open({
    python,
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

async function memoryRow({ device }: KitContext, engine: Engine, regime: Regime, torchBytes: number) {
  const { weights, gradients, activations } = engine.predicted;
  const ofProcess = device.kind === 'cuda' ? await driverBytes(device.index) : null;
  return [
    regime,
    mib(weights),
    mib(gradients),
    mib(activations),
    mib(weights + gradients + activations),
    mib(measuredBytes(device.kind, engine)),
    ofProcess === null ? null : mib(ofProcess),
    torchBytes > 0 ? mib(torchBytes) : null,
  ];
}

/** The largest that the runtime's allocator has held on the device; of a CPU device what it has used of the store, and its arena. */
function measuredBytes(kind: KitContext['device']['kind'], { device }: Engine): number {
  if (kind !== 'cpu') return device.allocatorStatistics().MaxInUse ?? NaN;
  const { valuesBytes, gradientsBytes, arenaPeakBytes } = device.memory();
  return valuesBytes + gradientsBytes + arenaPeakBytes;
}

/** What the driver says that this process holds on a card; null where it does not tell. */
async function driverBytes(index: number): Promise<number | null> {
  const { cards } = await native().nvidiaCards();
  const own = cards.find((card) => card.index === index)?.processes.find(({ pid }) => pid === process.pid);
  return own?.usedBytes ?? null;
}
