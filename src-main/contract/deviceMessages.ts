// Commands between the main process and a device process, and the events that the latter sends. Same transport as the app's own contract.

import { z } from 'zod';
import { augmentationConfig } from './augmentation.ts';
import { deviceRecords } from './steps.ts';

/** What the loader does to images; see Augmentation in native.ts. */
const augmentation = z.object({
  height: z.number(),
  width: z.number(),
  evaluationResize: z.number(),
  ...augmentationConfig.omit({ preset: true, size: true, evaluationResize: true }).shape,
  classes: z.number(),
});

/** What images become that a dataset keeps as files. */
const encoded = z.object({
  channels: z.number(),
  height: z.number(),
  width: z.number(),
  resize: z.enum(['crop', 'stretch', 'pad']),
});

export const batchSource = z.object({
  kind: z.enum(['images', 'tokens', 'case']),
  path: z.string(),
  mean: z.array(z.number()),
  std: z.array(z.number()),
  seed: z.number(),
  numWorkers: z.number(),
  microBatch: z.number(),
  accumulation: z.number(),
  sequence: z.number(),
  encoded: encoded.optional().describe('absent: the dataset has an array of images'),
  augmentation: augmentation.optional().describe('absent: images as the dataset has them'),
});

const optimizer = z.object({
  kind: z.enum(['sgd', 'adamw']),
  momentum: z.number(),
  nesterov: z.boolean(),
  weightDecay: z.number(),
  beta1: z.number(),
  beta2: z.number(),
  eps: z.number(),
  clipGlobalNorm: z.number(),
});

/** What every device process of a run is told; the same for all but `participant`, `device` and `sessions`. */
export const deviceSetup = z.object({
  storePath: z.string(),
  participant: z.number(),
  device: z.object({ id: z.string(), kind: z.enum(['cpu', 'webgpu', 'cuda']), index: z.number(), threads: z.number() }),
  /** Its graphs and what they bind; see DeviceSessions in device/deviceSessions.ts. */
  sessions: z.string(),
  /** Logits of a label. */
  classes: z.number(),
  optimizer,
  training: batchSource,
  evaluation: z.object({ source: batchSource, statisticsBatches: z.number() }),
});
export type DeviceSetup = z.infer<typeof deviceSetup>;

export const memorySample = z.object({
  residentBytes: z.number(),
  peakResidentBytes: z.number(),
  sharedBytes: z.number(),
  valuesBytes: z.number(),
  gradientsBytes: z.number(),
  optimizerBytes: z.number(),
  arenaPeakBytes: z.number(),
});

/** `labels`: what loss and right answers were summed over (images have one label, sequences one per token). */
export const evaluationSums = z.object({
  lossSum: z.number(),
  correct: z.number(),
  samples: z.number(),
  labels: z.number(),
});
export type EvaluationSums = z.infer<typeof evaluationSums>;

/** What is not finite; see Fault in native.ts. */
export const fault = z.object({
  kind: z.enum(['loss', 'gradient', 'statistic', 'parameter']),
  worker: z.number().nullish(),
  tensor: z.string().nullish(),
});
export type Fault = z.infer<typeof fault>;

export const deviceCommands = {
  prepare: { params: deviceSetup, result: z.object({ graphs: z.number().describe('that the runtime has') }) },
  train: {
    params: z.object({ from: z.number(), to: z.number(), learningRates: z.array(z.number()) }),
    result: z.object({ step: z.number(), stopped: z.boolean(), fault: fault.nullish() }),
  },
  /** All participants are asked together and give the same answer. */
  evaluate: {
    params: z.object({ samples: z.number().describe('the first so many of the evaluation source') }),
    result: evaluationSums,
  },
  /**
   * Writes logits of the first `count` evaluation samples as last evaluated to a file: float32, little-endian, row-major; count <= evaluation
   * batch. Of their rows (one per label) every `every`-th, from the first on.
   */
  logits: {
    params: z.object({ count: z.number(), every: z.number(), path: z.string() }),
    result: z.object({}),
  },
  /** Whether a device works, in a process made to find out; `name` where the system tells it. Fails with why it does not. */
  probe: {
    params: z.object({ kind: z.enum(['webgpu', 'cuda']), index: z.number() }),
    result: z.object({ name: z.string().nullable() }),
  },
  close: { params: z.object({}), result: z.object({}) },
} as const;
export type DeviceCommands = typeof deviceCommands;

export const deviceEvents = {
  /** Step records since the last event, as columns (a row per step and worker of this device), at most ten times a second. */
  records: deviceRecords,
  memory: memorySample,
} as const;
export type DeviceEvents = typeof deviceEvents;
