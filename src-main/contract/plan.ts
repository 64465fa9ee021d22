// What a run will be, before anything runs: who holds what, and what it costs each worker and device. JSON in `plan.json`, on the wire and on the screen.

import { z } from 'zod';

const bytes = z.number().describe('bytes');

/** Predicted or measured memory of one device process, by category. */
export const memoryBytes = z.object({
  weights: bytes.describe('bytes of parameters and BatchNorm statistics that the process touches'),
  gradients: bytes.describe('bytes of gradients'),
  optimizer: bytes.describe('bytes of optimizer state'),
  activations: bytes.describe('bytes of the arena of the sessions: activations and other intermediates'),
  workspace: bytes.describe('bytes of everything else: runtime, addon, batches held ready'),
  total: bytes.describe('bytes of the whole process at its peak'),
});
export type MemoryBytes = z.infer<typeof memoryBytes>;

/** Who holds a unit. A file that spells out a plan is a list of these under `units`; plan.json is such a file. */
export const unitHolders = z.object({
  /** Block id, or neuron group id under neuron granularity. */
  id: z.string().max(200),
  /** Workers that hold the block; under neuron granularity empty or left out. */
  holders: z.array(z.number().max(1e6)).max(256).optional(),
  /** Neuron granularity: for each worker the indices that it holds. */
  held: z
    .array(z.array(z.number().max(1e9)).max(1e6))
    .max(256)
    .optional(),
});
export type UnitHolders = z.infer<typeof unitHolders>;

export const unitsFile = z.object({ units: z.array(unitHolders).max(10_000) });

export const planUnit = z.object({
  /** Block id, or neuron group id under neuron granularity. */
  id: z.string(),
  /** Scalars of one unit (of all units of a group together under neuron granularity). */
  parameters: z.number(),
  /** 1 for a block; the number of neurons of a group. */
  size: z.number(),
  /** Workers that hold the block; under neuron granularity empty. */
  holders: z.array(z.number()),
  /** Neuron granularity: for each worker the sorted indices that it holds. */
  held: z.array(z.array(z.number())).optional(),
});

export const planWorker = z.object({
  worker: z.number(),
  device: z.string(),
  parameters: z.number().describe('scalars held'),
  flopsPerSample: z.number().describe('multiply-adds times two of one training step, per sample'),
  activationBytes: bytes.describe('predicted peak of intermediates'),
});

export const planDevice = z.object({
  id: z.string(),
  kind: z.enum(['cpu', 'webgpu', 'cuda']),
  threads: z.number(),
  workers: z.array(z.number()),
  memory: memoryBytes,
  capacityBytes: bytes.describe(
    'what it may use: its limit in the configuration, else its part of what the machine has',
  ),
});

/** A change of the configuration, and what the device with least room would need then. */
export const planChange = z.object({
  /** Keys with their new values. */
  set: z.record(z.string(), z.union([z.number(), z.string()])),
  device: z.string(),
  neededBytes: bytes,
  capacityBytes: bytes,
  fits: z.boolean(),
});
export type PlanChange = z.infer<typeof planChange>;

export const plan = z.object({
  model: z.object({
    family: z.string(),
    parameters: z.number(),
    maskable: z.number(),
    sample: z.array(z.number()),
    classes: z.number(),
  }),
  granularity: z.enum(['block', 'neuron']),
  masking: z.enum(['forward', 'backward']),
  numWorkers: z.number(),
  assignment: z.enum(['count', 'cost', 'cyclic', 'file']),
  coverage: z.number().describe('holders of each unit, k; the mean where a file gives them different numbers'),
  coverageRange: z.tuple([z.number(), z.number()]).describe('fewest and most holders of a unit'),
  units: z.array(planUnit),
  workers: z.array(planWorker),
  devices: z.array(planDevice),
  /** Whether the graph of workers and units is connected. */
  connected: z.boolean(),
  spectralGap: z.number().describe('0: some workers never share anything; 1: averaging once makes all equal'),
  /** Whether every device has room for what is predicted. */
  fits: z.boolean(),
  /** Where it does not fit: what was tried, the smallest change first; those that fit are suggestions. */
  changes: z.array(planChange),
  batch: z.object({
    global: z.number(),
    perWorker: z.number(),
    microBatch: z.number().describe('samples that a worker runs at once'),
    stepsPerEpoch: z.number(),
  }),
});

export type Plan = z.infer<typeof plan>;

/** FLOPs of a step over all workers. */
export function flopsPerStep({ workers, batch }: Pick<Plan, 'workers' | 'batch'>): number {
  return workers.reduce((sum, worker) => sum + worker.flopsPerSample, 0) * batch.perWorker;
}

/** Bytes that workers exchange in a step: every worker publishes a gradient, and reads a parameter back, for each scalar that it holds. */
export function bytesPerStep({ workers }: Pick<Plan, 'workers'>): number {
  return workers.reduce((sum, worker) => sum + 2 * 4 * worker.parameters, 0);
}

/** How far the largest value is above the mean, as a share of the mean: 0 where all are equal. */
export function imbalance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return mean > 0 ? Math.max(...values) / mean - 1 : 0;
}

/** Why a plan does not fit and what would, in one sentence without its full stop; null where it fits. */
export function misfitOf(plan: Plan, formatBytes: (bytes: number) => string): string | null {
  if (plan.fits) return null;
  const over = ({ memory, capacityBytes }: Plan['devices'][number]) => memory.total / capacityBytes;
  const fullest = plan.devices.reduce((worst, device) => (over(device) > over(worst) ? device : worst));
  const need = `${fullest.id} needs ${formatBytes(fullest.memory.total)} of memory and has ${formatBytes(fullest.capacityBytes)}`;
  const fitting = plan.changes.find((change) => change.fits);
  if (fitting) return `${need}; it fits with ${settingsOf(fitting)} (${formatBytes(fitting.neededBytes)})`;
  const last = plan.changes.at(-1);
  return last
    ? `${need}; with ${settingsOf(last)} it would still need ${formatBytes(last.neededBytes)} on ${last.device}`
    : `${need}; no smaller micro-batch or coverage, and no recomputation, is left to try`;
}

/** `training.batch=32 and subnetworks.coverage=1` */
export function settingsOf({ set }: PlanChange): string {
  return Object.entries(set)
    .map(([key, value]) => `${key}=${value}`)
    .join(' and ');
}
