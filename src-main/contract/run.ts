// State and series of a run, as stored, sent and shown.

import { z } from 'zod';
import { exportFormat, weightType } from './exportFormat.ts';
import { memoryBytes, plan } from './plan.ts';
import { runConfig } from './runConfig.ts';
import { evaluationNames, evaluationSeries, type EvaluationSeries, type EvaluationTable } from './series.ts';
import { stepColumns } from './steps.ts';

/** preparing -> training <-> evaluating / saving / paused -> done | stopped | failed. `interrupted`: the app ended without a word while it ran. */
export const runState = z.enum([
  'preparing',
  'training',
  'evaluating',
  'saving',
  'paused',
  'stopped',
  'done',
  'failed',
  'interrupted',
]);
export type RunState = z.infer<typeof runState>;

const activeStates: readonly RunState[] = ['preparing', 'training', 'evaluating', 'saving', 'paused'];

/** A run that still has processes. */
export function isActive(state: RunState): boolean {
  return activeStates.includes(state);
}

/** Why a run ended as asked. Where more is said behind it, something was left off. */
export const stoppedOnRequest = 'stopped on request';

/** Loss of a whole run in a few numbers, for a picture in lists. */
export const lossCurve = z.object({
  every: z.number().describe('steps of a stretch'),
  means: z.array(z.number().nullable()).describe('mean loss of each stretch; null: not finite'),
});
export type LossCurve = z.infer<typeof lossCurve>;
export const noLoss: LossCurve = { every: 1, means: [] };

export const runSummary = z.object({
  id: z.string().describe('identifier, the name of the folder of the run'),
  name: z.string().describe('name in the configuration'),
  state: runState.describe('state'),
  reason: z.string().describe('why the run stopped or failed, one sentence; else empty'),
  step: z.number().describe('steps done'),
  steps: z.number().describe('steps in all'),
  createdAt: z.string().describe('time of the start, ISO 8601'),
  accuracy: z.number().nullable().describe('accuracy of the full network in the last evaluation; null: none yet'),
  perplexity: z
    .number()
    .nullable()
    .default(null)
    .describe('perplexity of the full network in the last evaluation; null: none yet, or not a language model'),
  curve: lossCurve.default(noLoss),
  dataset: z.string().default('').describe('name of the dataset'),
  fingerprint: z
    .string()
    .default('')
    .describe('fingerprint of the dataset when the run was last prepared; empty before'),
  warning: z.string().default('').describe('what the user should know, one sentence; empty: nothing'),
});
export type RunSummary = z.infer<typeof runSummary>;

const valueOf = { notFinite: z.number().nullable(), absent: z.number().nullable().default(null) };
const nullText = { notFinite: 'not finite', absent: 'another kind of model, or not finite' };
type EvaluationShape = { [N in EvaluationSeries]: (typeof valueOf)[EvaluationTable[N]['nulls']] };

export const evaluationRecord = z.object({
  step: z.number().describe('steps done'),
  ...(Object.fromEntries(
    evaluationNames.map((name) => {
      const { nulls, meaning } = evaluationSeries[name];
      return [name, valueOf[nulls].describe(`${meaning}; null: ${nullText[nulls]}`)];
    }),
  ) as EvaluationShape),
  samples: z.number().describe('validation samples'),
  seconds: z.number().describe('duration of the evaluation'),
});
export type EvaluationRecord = z.infer<typeof evaluationRecord>;

/**
 * Gradients of one step, before clipping, by row: the units of the plan in their order (a group of neurons is one row), then what all
 * workers hold. Null where a figure is not finite. Defined in native/core/src/norms.rs.
 */
export const gradientRecord = z.object({
  step: z.number().describe('steps done, with the measured one'),
  norms: z
    .array(z.array(z.number().nullable()))
    .describe('norm of each worker’s gradient, [row][worker]; 0: the worker holds nothing of the row'),
  mean: z.array(z.number().nullable()).describe('norm of the averaged gradient, [row]'),
  disagreement: z
    .array(z.number().nullable())
    .describe('root mean square distance of the holders’ gradients from their average, over its norm, [row]'),
});
export type GradientRecord = z.infer<typeof gradientRecord>;

/** Measured memory of a device process; its total is the largest resident size so far (fleet/measuredMemory.ts). */
export const deviceMemory = z.object({
  device: z.string().describe('device, such as cpu:0'),
  pid: z.number().describe('process number of the device process'),
  residentBytes: z.number().describe('resident memory of the process now'),
  peakResidentBytes: z.number().describe('largest resident memory of the process so far'),
  measured: memoryBytes,
});
export type DeviceMemory = z.infer<typeof deviceMemory>;

/** Memory of all devices of a run at one time. */
export const memoryRecord = z.object({
  step: z.number().describe('steps done'),
  elapsedMs: z.number().describe('milliseconds of training so far'),
  devices: z.array(deviceMemory),
});
export type MemoryRecord = z.infer<typeof memoryRecord>;

/** A device that was lost, has joined, or has left. */
export const deviceChange = z.object({
  step: z.number().describe('steps done'),
  device: z.string().describe('device, such as cpu:0'),
  change: z.enum(['lost', 'joined', 'left']).describe('what has happened'),
  reason: z.string().describe('why it was lost, one sentence; else empty'),
});
export type DeviceChange = z.infer<typeof deviceChange>;

export const exportResult = z.object({
  format: exportFormat,
  type: weightType.default('float32').describe('of the weights'),
  step: z.number(),
  files: z.array(z.string()).describe('absolute paths'),
  check: z.object({
    samples: z.number(),
    /** Largest absolute difference of the logits over their largest absolute value. */
    maxRelativeError: z.number(),
    accuracy: z.number().nullable(),
  }),
  warning: z.string().optional().describe('what the user should know, one sentence'),
});
export type ExportResult = z.infer<typeof exportResult>;

export const runDetail = z.object({
  summary: runSummary,
  config: runConfig,
  plan: plan.nullable(),
  /** At most some thousands of rows; decimated evenly where there are more. */
  columns: stepColumns,
  evaluations: z.array(evaluationRecord),
  /** At most some hundreds over the whole run; the last one is the newest. */
  memory: z.array(memoryRecord),
  deviceChanges: z.array(deviceChange),
  /** The last that was measured; null before. */
  gradients: gradientRecord.nullable(),
  checkpoints: z.array(z.number()).describe('steps'),
  exports: z.array(exportResult),
});
export type RunDetail = z.infer<typeof runDetail>;
