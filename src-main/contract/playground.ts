// Trying a checkpoint, as a page asks for it.

import { z } from 'zod';

const model = { runId: z.string().regex(/^[\w.-]{1,100}$/), step: z.int().min(0) };

/** How a text goes on. */
const sampling = {
  count: z.int().min(1).max(512),
  temperature: z.number().min(0).max(10).describe('0: always the likeliest'),
  seed: z.int().min(0),
};

const warning = z.string().optional().describe('what the user should know, one sentence');

/** What a model takes. */
export const playgroundModel = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('images'),
    step: z.number(),
    /** [C,H,W] */
    sample: z.array(z.number()),
    classNames: z.array(z.string()),
    warning,
  }),
  z.object({
    kind: z.literal('tokens'),
    step: z.number(),
    /** Tokens that the model sees at once. */
    sequence: z.number(),
    vocabulary: z.number(),
    /** Whether prompts are text, as the tokenizer of the run's dataset is there; else numbers. */
    text: z.boolean(),
    warning,
  }),
]);
export type PlaygroundModel = z.infer<typeof playgroundModel>;

export const classShare = z.object({ label: z.number(), name: z.string(), probability: z.number() });
export type ClassShare = z.infer<typeof classShare>;

export const playgroundCommands = {
  /** Makes a checkpoint ready (the newest where no step is given): exports it where that is not done yet, and loads it. */
  openPlayground: {
    params: z.strictObject({ runId: model.runId, step: model.step.optional() }),
    result: playgroundModel,
  },
  /** The ten likeliest classes of an image. */
  tryImage: {
    params: z.strictObject({ ...model, pixels: z.string().max(900_000).describe('base64 of uint8 [C,H,W]') }),
    result: z.object({ classes: z.array(classShare), ms: z.number() }),
  },
  /** Goes on from a prompt of text with the tokenizer of the run's dataset, up to the end of text if that comes before `count` tokens. */
  tryText: {
    params: z.strictObject({ ...model, prompt: z.string().min(1).max(50_000), ...sampling }),
    result: z.object({ text: z.string(), ended: z.boolean(), ms: z.number() }),
  },
  /** Goes on from tokens. */
  tryTokens: {
    params: z.strictObject({ ...model, tokens: z.array(z.int().min(0).max(1e9)).min(1).max(10_000), ...sampling }),
    result: z.object({ tokens: z.array(z.number()), ms: z.number() }),
  },
} as const;
