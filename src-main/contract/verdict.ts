// What is found in files before anything is imported, what the user may choose about them, and an import under way.
//
// A remedy is a change of the options: inspecting again with it shows what it does, importing with it applies it. The records are those of
// native/data (inspect.rs, options.rs, error.rs), which makes the verdict.

import { z } from 'zod';
import { record, recordObject } from './records.ts';
import { userPath } from './userPath.ts';

export type { DatasetFormat, ImportOptions, Place, Preview, Problem, Remedy } from './records.ts';

const { shape } = recordObject('ImportOptions');
const described = <Schema extends z.ZodType>(key: keyof typeof shape, schema: Schema) =>
  schema.describe(shape[key].unwrap().description!).optional();

/**
 * Choices for an import. Everything has a default that follows from the files; the verdict says which. The schemas of Rust do not tell which
 * texts are paths, nor how a text has to look.
 */
export const importOptions = z.strictObject({
  ...shape,
  range: described(
    'range',
    z
      .string()
      .max(100)
      .regex(/^\s*-?[\d.]+(e[+-]?\d+)?\s*:\s*-?[\d.]+(e[+-]?\d+)?\s*$/i, 'expected two numbers, such as 0:4095'),
  ),
  tokenizer: described('tokenizer', userPath(['bytes', 'bpe'])),
});

export const problem = record('Problem');

export const verdict = recordObject('Verdict').extend({
  paths: z.array(z.string()),
  name: z.string().describe('in the catalogue, unless another is given'),
});
export type Verdict = z.infer<typeof verdict>;

/** An import under way or ended. running -> done | failed | cancelled. */
export const importState = z.object({
  id: z.string(),
  /** Of the dataset. */
  name: z.string(),
  paths: z.array(z.string()),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Samples of images or bytes of text. */
  unit: z.enum(['samples', 'bytes']),
  done: z.number(),
  /** 0 while it is not known. */
  total: z.number(),
  perSecond: z.number(),
  /** Null while it cannot be told. */
  secondsLeft: z.number().nullable(),
  /** Samples left out so far. */
  skipped: z.number(),
  /** Why it failed, one sentence; empty otherwise. */
  reason: z.string(),
});
export type ImportState = z.infer<typeof importState>;

/** Files and choices, as the commands take them. */
export const whatToImport = {
  paths: z.array(userPath()).min(1).max(10_000),
  options: importOptions.default({}),
};
