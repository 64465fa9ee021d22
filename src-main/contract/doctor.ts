// What is right and wrong with this machine for training, as findings with their remedies.

import { z } from 'zod';

/** Kind of device that something is needed for; CPU devices need what all others need as well. */
export const purpose = z.enum(['cpu', 'webgpu', 'cuda']);
export type Purpose = z.infer<typeof purpose>;

export const finding = z.object({
  id: z.string(),
  title: z.string(),
  /** missing: what was asked for does not work without it; warning: it works, worse; info: what was asked for works without it. */
  state: z.enum(['ok', 'info', 'warning', 'missing']),
  /** A sentence without its full stop. */
  detail: z.string(),
  /** What to do, as a command or a sentence. */
  remedy: z.string().optional(),
});
export type Finding = z.infer<typeof finding>;

export const diagnosis = z.object({
  machine: z.string().describe('processor, memory and cards in a line'),
  findings: z.array(finding),
});
export type Diagnosis = z.infer<typeof diagnosis>;

export const doctorCommands = {
  /** `purpose`: what is asked for, and all that is said then; absent: what this machine is meant for. */
  diagnose: { params: z.strictObject({ purpose: purpose.optional() }), result: diagnosis },
} as const;
