// What a run will be, before anything runs: who holds what, and what it costs each worker and device. JSON in `plan.json`, on the wire and on the screen.

import { z } from 'zod';

const bytes = z.number().describe('bytes');

/** Predicted or measured memory of one device process, by category. */
export const memoryBytes = z.object({
  weights: bytes,
  gradients: bytes,
  optimizer: bytes,
  activations: bytes,
  workspace: bytes,
  total: bytes,
});
export type MemoryBytes = z.infer<typeof memoryBytes>;

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
});

export const planDevice = z.object({
  id: z.string(),
  kind: z.enum(['cpu', 'webgpu', 'cuda']),
  threads: z.number(),
  workers: z.array(z.number()),
  memory: memoryBytes,
});

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
  coverage: z.number().describe('holders of each unit, k'),
  units: z.array(planUnit),
  workers: z.array(planWorker),
  devices: z.array(planDevice),
  /** Whether the graph of workers and units is connected. */
  connected: z.boolean(),
  batch: z.object({
    global: z.number(),
    perWorker: z.number(),
    microBatch: z.number().describe('samples that a worker runs at once'),
    stepsPerEpoch: z.number(),
  }),
});

export type Plan = z.infer<typeof plan>;
