// One logical worker on one device, in this very process: the real store, loader, session, averaging and optimizer, without a run around them.
// For measurements of a step. Samples are random, of a dataset of exactly one global batch, so that every step sees the same ones.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { plainTraining, type TrainingGraph } from '../models/training.ts';
import type { MemoryBytes } from '../contract/plan.ts';
import { optimizerSlots, type BatchSource, type OptimizerSpec } from '../contract/records.ts';
import { preloadFor } from '../device/cudaLibraries.ts';
import { assignMasks } from '../masks/assign.ts';
import type { ModelSpec } from '../families/configs.ts';
import { createModel } from '../families/models.ts';
import { predictDevice, sessionMemory } from '../memory/predict.ts';
import { storeLayout } from '../memory/storeLayout.ts';
import type { Masks, ModelDefinition } from '../models/model.ts';
import { native, type NativeDevice, type NativeStore, type StepRecords, type TrainSpec } from '../native.ts';
import { divergence } from '../run/divergence.ts';
import { placeOfStore } from '../fleet/storePlace.ts';
import { initSpecs } from '../fleet/openFleet.ts';
import { Bindings, targetOf } from '../plan/bindings.ts';
import { storeSpec } from '../plan/prepare.ts';
import { customOps, sessionArguments } from '../device/deviceSessions.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';
import type { KitContext } from './section.ts';

/** Plain data parallelism, or half of all units (k/N = 1/2) of one of two workers. */
export type Regime = 'ddp' | 'block-forward' | 'neuron-forward';

export interface EngineOptions {
  /** An empty folder for the dataset and the initial parameters. */
  folder: string;
  spec: ModelSpec;
  batch: number;
  regime: Regime;
  device: KitContext['device'];
  threads: number;
  optimizer: 'sgd' | 'adamw';
  learningRate: number;
  copies?: 'large' | 'each';
  /** Default: where they are asked for. */
  customOps?: boolean;
  /** Prefix of the runtime's profiles. */
  profile?: string;
  trainingGraph?: TrainingGraph;
}

const optimizers: Record<EngineOptions['optimizer'], OptimizerSpec> = {
  sgd: { rule: { kind: 'momentum', momentum: 0.9, nesterov: false }, weightDecay: 5e-4, clipGlobalNorm: 0 },
  adamw: { rule: { kind: 'adamw', beta1: 0.9, beta2: 0.999, eps: 1e-8 }, weightDecay: 0.01, clipGlobalNorm: 0 },
};

export class Engine {
  private nextStep = 0;

  private constructor(
    readonly device: NativeDevice,
    readonly store: NativeStore,
    /** Of the device: what it holds of the store, and its intermediates. */
    readonly predicted: MemoryBytes,
    private readonly session: number,
    private readonly setup: Pick<TrainSpec, 'optimizer' | 'source'>,
    private readonly learningRate: number,
  ) {}

  /** Fails as training does, where the device or the graph does not work. Initial parameters are written to `init.safetensors`. */
  static async open(options: EngineOptions): Promise<Engine> {
    const { folder, spec, device, threads, customOps: custom = customOps() } = options;
    const model = createModel(spec);
    const masks = masksOf(model, options.regime);
    const optimizer = optimizers[options.optimizer];
    const layout = storeLayout(model.tensors, masks, {
      numParticipants: 1,
      optimizerSlots: optimizerSlots(optimizer),
      statisticsBatches: 0,
      evaluationBatches: 1,
    });
    const source = await writeSamples(folder, model, options.batch, masks.held.length);
    const { layout: layoutText, bytes } = storeSpec(layout);
    const storePath = await placeOfStore({ bytes });
    const store = await native().createStore(storePath, layoutText);
    let opened: NativeDevice | undefined;
    try {
      await store.initialise(initSpecs(model), 1);
      await store.writeValues(join(folder, 'init.safetensors'), {
        scales: {},
        statistics: false,
        int64: [],
        metadata: {},
      });
      opened = await native().openDevice({
        runtimeLibrary: runtimeLibrary(),
        preload: await preloadFor(device.kind, runtimeLibrary()),
        storePath,
        participant: 0,
        kind: device.kind,
        index: device.index,
        threads,
        copies: options.copies,
        profile: options.profile,
        customOperators: custom,
      });
      const { granularity, masking, held } = masks;
      const built = model.training({
        batch: options.batch,
        granularity,
        masking,
        held: held[0]!,
        ...targetOf(device.kind, custom),
        ...(options.trainingGraph ?? plainTraining),
      });
      const bindings = new Bindings(layout, device.kind, custom);
      const session = await opened.addSession(...sessionArguments(bindings, bindings.training(built, 0)));
      const predicted = predictDevice(layout, {
        share: { from: 0, to: 1, of: 1 },
        workers: [0],
        whole: false,
        training: [sessionMemory(built, threads)],
        evaluation: [],
        ownMemory: device.kind !== 'cpu',
      });
      return new Engine(opened, store, predicted, session, { optimizer, source }, options.learningRate);
    } catch (error) {
      opened?.close();
      await store.close();
      throw error;
    }
  }

  /** Trains so many steps; their records, one row per step. */
  async steps(count: number): Promise<StepRecords> {
    const from = this.nextStep;
    const { step, fault } = await this.device.train({
      sessions: [this.session],
      from,
      to: from + count,
      learningRates: new Array<number>(count).fill(this.learningRate),
      ...this.setup,
    });
    if (fault) throw divergence(fault, step, this.learningRate);
    this.nextStep += count;
    return this.device.drainRecords();
  }

  async close(): Promise<void> {
    this.device.close();
    await this.store.close();
  }
}

/** Worker 0 is the one that trains. */
function masksOf(model: ModelDefinition, regime: Regime): Masks {
  const [granularity] = regime === 'ddp' ? (['block'] as const) : (regime.split('-') as ['block' | 'neuron']);
  const numWorkers = regime === 'ddp' ? 1 : 2;
  const options = { numWorkers, coverage: 1, granularity, masking: 'forward', assignment: 'cyclic', seed: 0 } as const;
  return assignMasks(model, options, () => []);
}

/** A dataset of one global batch. Its images have values as photographs do, so that no convolution meets denormal numbers. */
async function writeSamples(
  folder: string,
  { reads, sample, classes }: ModelDefinition,
  batch: number,
  numWorkers: number,
): Promise<BatchSource> {
  await mkdir(folder, { recursive: true });
  const count = batch * numWorkers;
  const random = generator();
  const plain = { path: folder, seed: 0, numWorkers, microBatch: batch, accumulation: 1 };
  if (reads === 'tokens') {
    const sequence = sample[0]!;
    const tokens = Uint32Array.from({ length: count * sequence + 1 }, () => Math.floor(random() * classes));
    await writeNpy(join(folder, 'tokens.npy'), '<u4', [tokens.length], tokens);
    return { ...plain, reads: { kind: 'tokens', sequence } };
  }
  const shape = [count, ...sample];
  const pixels = Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, () => Math.floor(random() * 256));
  const labels = BigInt64Array.from({ length: count }, () => BigInt(Math.floor(random() * classes)));
  await writeNpy(join(folder, 'images.npy'), '|u1', shape, pixels);
  await writeNpy(join(folder, 'labels.npy'), '<i8', [count], labels);
  const each = (value: number) => new Array<number>(sample[0]!).fill(value);
  return { ...plain, reads: { kind: 'images', mean: each(0.5), std: each(0.25) } };
}

/** Numbers in [0, 1) that are the same everywhere (xorshift32). */
function generator(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

async function writeNpy(path: string, type: string, shape: number[], data: NodeJS.ArrayBufferView): Promise<void> {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    Buffer.from([padded.length % 256, padded.length >> 8]),
  ]);
  await writeFile(
    path,
    Buffer.concat([head, Buffer.from(padded, 'latin1'), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]),
  );
}
