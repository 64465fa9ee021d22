// Commands between the main process and a device process, and the events that the latter sends. Same transport as the app's own contract.

import { z } from 'zod';
import { record } from './records.ts';
import { deviceRecords } from './steps.ts';

/** What every device process of a run is told; the same for all but `participant`, `device` and `sessions`. */
export const deviceSetup = z.object({
  storePath: z.string(),
  participant: z.number(),
  device: z.object({ id: z.string(), kind: record('DeviceKind'), index: z.number(), threads: z.number() }),
  /** Its graphs and what they bind; see DeviceSessions in device/deviceSessions.ts. */
  sessions: z.string(),
  /** Logits of a label. */
  classes: z.number(),
  optimizer: record('OptimizerSpec'),
  training: record('BatchSource'),
  evaluation: z.object({ source: record('BatchSource'), statisticsBatches: z.number() }),
});
export type DeviceSetup = z.infer<typeof deviceSetup>;

export const deviceCommands = {
  prepare: { params: deviceSetup, result: z.object({ graphs: z.number().describe('that the runtime has') }) },
  /** From now on it trains other workers: not those that it gives away, and those that it takes over. Between trainings. */
  assign: {
    params: z.object({
      gives: z.array(z.number()),
      takes: z.array(z.string().describe('see MovedSessions in device/deviceSessions.ts')),
    }),
    result: z.object({}),
  },
  train: {
    params: z.object({ from: z.number(), to: z.number(), learningRates: z.array(z.number()) }),
    result: record('TrainResult'),
  },
  /** All participants are asked together and give the same answer. */
  evaluate: {
    params: z.object({ samples: z.number().describe('the first so many of the evaluation source') }),
    result: record('EvaluateResult'),
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
  memory: record('MemorySample'),
} as const;
export type DeviceEvents = typeof deviceEvents;

export const deviceContract = { commands: deviceCommands, events: deviceEvents, version: 'sdp-device 5' } as const;
