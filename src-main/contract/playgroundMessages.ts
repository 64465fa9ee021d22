// Commands of the process that runs exported models on what a user gives it, with onnxruntime-node. It opens no device: two ONNX Runtime
// libraries do not share a process.

import { z } from 'zod';

export const playgroundCommands = {
  /** Loads an ONNX file, in the place of another. */
  load: { params: z.object({ path: z.string() }), result: z.object({}) },
  /** Logits of one image, [1,C,H,W] normalised, or one sequence, [1,T]. */
  run: {
    params: z.object({
      path: z.string().describe('of the model, which is loaded where another is'),
      data: z.array(z.number()),
      shape: z.array(z.number()),
      kind: z.enum(['images', 'tokens']),
    }),
    result: z.object({ logits: z.array(z.number()) }),
  },
  /**
   * Goes on from `tokens` one by one, until it has made `count` or the token `end`. The sequence that the model sees is `length` long; later
   * tokens have no influence on earlier ones.
   */
  generate: {
    params: z.object({
      path: z.string(),
      tokens: z.array(z.number()).min(1),
      length: z.number(),
      count: z.number(),
      end: z.number().optional(),
      temperature: z.number(),
      seed: z.number(),
    }),
    result: z.object({ tokens: z.array(z.number()) }),
  },
} as const;
export type PlaygroundCommands = typeof playgroundCommands;

export const playgroundContract = { commands: playgroundCommands, events: {}, version: 'sdp-playground 1' } as const;
