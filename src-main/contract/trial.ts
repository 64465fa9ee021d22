// Trying a checkpoint, as a page asks for it.

import { z } from 'zod';

const model = { runId: z.string().regex(/^[\w.-]{1,100}$/), step: z.int().min(0) };

/** What a model takes. */
export const trialModel = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('images'),
    step: z.number(),
    /** [C,H,W] */
    sample: z.array(z.number()),
    classNames: z.array(z.string()),
  }),
  z.object({
    kind: z.literal('tokens'),
    step: z.number(),
    /** Tokens that the model sees at once. */
    sequence: z.number(),
    vocabulary: z.number(),
    /** Whether tokens are bytes of text; else prompts are numbers. */
    bytes: z.boolean(),
  }),
]);
export type TrialModel = z.infer<typeof trialModel>;

export const classShare = z.object({ label: z.number(), name: z.string(), probability: z.number() });
export type ClassShare = z.infer<typeof classShare>;

export const trialCommands = {
  /** Makes a checkpoint ready (the newest where no step is given): exports it where that is not done yet, and loads it. */
  openTrial: { params: z.strictObject({ runId: model.runId, step: model.step.optional() }), result: trialModel },
  /** The ten likeliest classes of an image. */
  tryImage: {
    params: z.strictObject({ ...model, pixels: z.string().max(900_000).describe('base64 of uint8 [C,H,W]') }),
    result: z.object({ classes: z.array(classShare), ms: z.number() }),
  },
  /** Goes on from a prompt: tokens, or bytes of text. */
  tryTokens: {
    params: z.strictObject({
      ...model,
      tokens: z.array(z.int().min(0)).min(1).max(10_000),
      count: z.int().min(1).max(512),
      temperature: z.number().min(0).max(10).describe('0: always the likeliest'),
      seed: z.int().min(0),
    }),
    result: z.object({ tokens: z.array(z.number()), ms: z.number() }),
  },
} as const;
