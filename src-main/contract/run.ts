// State and series of a run, as stored, sent and shown.

import { z } from 'zod';
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

/** Mean loss over stretches of `every` steps, from the first on; null where a loss was not finite. */
export const lossCurve = z.object({ every: z.number(), means: z.array(z.number().nullable()) });
export type LossCurve = z.infer<typeof lossCurve>;
export const noLoss: LossCurve = { every: 1, means: [] };

export const runSummary = z.object({
  id: z.string(),
  name: z.string(),
  state: runState,
  /** Why it stopped or failed, one sentence; empty otherwise. */
  reason: z.string(),
  step: z.number(),
  steps: z.number(),
  createdAt: z.string().describe('ISO 8601'),
  accuracy: z.number().nullable().describe('last evaluation of the full network'),
  perplexity: z.number().nullable().default(null).describe('the same, of language models'),
  /** For a picture in lists. */
  curve: lossCurve.default(noLoss),
  dataset: z.string().default('').describe('that it is trained on'),
  fingerprint: z.string().default('').describe('of the dataset when the run was last prepared; empty before'),
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
  step: z.number().describe('steps done with it'),
  norms: z.array(z.array(z.number().nullable())).describe('[row][worker]; 0 where a worker holds nothing of the row'),
  mean: z.array(z.number().nullable()).describe('norm of the averaged gradient'),
  disagreement: z
    .array(z.number().nullable())
    .describe('root mean square distance of the holders from the averaged gradient, over its norm'),
});
export type GradientRecord = z.infer<typeof gradientRecord>;

/** Measured memory of a device process; its total is the largest resident size so far (run/measuredMemory.ts). */
export const deviceMemory = z.object({
  device: z.string(),
  pid: z.number(),
  residentBytes: z.number(),
  peakResidentBytes: z.number(),
  measured: memoryBytes,
});
export type DeviceMemory = z.infer<typeof deviceMemory>;

/** Memory of all devices of a run at one time; `step`: steps done then. */
export const memoryRecord = z.object({ step: z.number(), elapsedMs: z.number(), devices: z.array(deviceMemory) });
export type MemoryRecord = z.infer<typeof memoryRecord>;

export const exportFormat = z.enum(['safetensors', 'onnx']);
export type ExportFormat = z.infer<typeof exportFormat>;

export const exportResult = z.object({
  format: exportFormat,
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
  /** The last that was measured; null before. */
  gradients: gradientRecord.nullable(),
  checkpoints: z.array(z.number()).describe('steps'),
  exports: z.array(exportResult),
});
export type RunDetail = z.infer<typeof runDetail>;
