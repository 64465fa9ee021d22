// What a page shows of an imported dataset, and what can be done with it.

import { z } from 'zod';
import { record } from './records.ts';
import { runState } from './run.ts';

export const split = z.enum(['train', 'test']);
export type Split = z.infer<typeof split>;

export const accountLine = record('AccountLine');
export type { AccountLine } from './records.ts';

/** A run that was trained on a dataset: without it, it can neither go on nor be evaluated. */
export const datasetUse = z.object({ runId: z.string(), name: z.string(), state: runState });
export type DatasetUse = z.infer<typeof datasetUse>;

export const datasetDetail = z.object({
  name: z.string(),
  importedAt: z.string().describe('ISO 8601'),
  /** Of images, by class and split; null for tokens. */
  samplesPerClass: z.object({ train: z.array(z.number()), test: z.array(z.number()) }).nullable(),
  /** What became of the files that it was imported from. */
  account: z.array(accountLine),
  uses: z.array(datasetUse),
});
export type DatasetDetail = z.infer<typeof datasetDetail>;

const image = z.object({
  index: z.number(),
  label: z.number(),
  pixels: z.string().describe('base64 of uint8 [C,H,W]'),
});

/** Without text where the dataset's files were tokens already, and for a token that stands for none by itself. */
export const token = z.object({ id: z.number(), text: z.string() });
export type Token = z.infer<typeof token>;

/** Some samples of a split, small enough for a page. */
export const datasetPage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('images'),
    /** Of those asked for: all of the split, or of one class. */
    total: z.number(),
    /** [C,H,W] of the pixels: the images themselves, or every so-many-th pixel of large ones. */
    shape: z.array(z.number()),
    images: z.array(image),
  }),
  z.object({ kind: z.literal('tokens'), total: z.number(), from: z.number(), tokens: z.array(token) }),
]);
export type DatasetPage = z.infer<typeof datasetPage>;

const name = z.string().min(1).max(100);

export const datasetCommands = {
  getDataset: { params: z.strictObject({ name }), result: datasetDetail },
  /** From the `from`-th on; at most 60 images or 2,000 tokens. */
  datasetPage: {
    params: z.strictObject({
      name,
      split,
      from: z.int().min(0).max(1e12),
      count: z.int().min(1).max(2000),
      label: z.int().min(0).max(1e9).optional(),
    }),
    result: datasetPage,
  },
  /** The runs that use it follow; refused while one of them is active. */
  renameDataset: { params: z.strictObject({ name, to: name }), result: z.object({ name: z.string() }) },
  deleteDataset: { params: z.strictObject({ name }), result: z.object({}) },
} as const;
