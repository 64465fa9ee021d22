// The record of an imported dataset, `manifest.json` beside its arrays. A dataset folder is:
//   images: manifest.json, train/ and test/ with labels.npy (int64 [n]) and images.npy (uint8 [n,C,H,W]), or, where the files were kept as
//           they are, index.npy (uint64 [n,3]: shard, offset, length) and images-NNNNN.bin
//   tokens: manifest.json, train/tokens.npy (uint16 or uint32 [n]), test/tokens.npy, tokenizer.json where there is one
// The training loader maps the arrays as they are; `mean` and `std` normalise images: input = (pixel / 255 - mean) / std.

import { join } from 'node:path';
import { z } from 'zod';
import { imagesDataset, tokensDataset } from '../contract/commands.ts';
import { accountLine } from '../contract/datasets.ts';
import { importOptions, problem } from '../contract/verdict.ts';

export const splits = ['train', 'test'] as const;
export type Split = (typeof splits)[number];

const counts = z.array(z.int().min(0));

const shared = {
  version: z.literal(2),
  /** How it was imported, the format included. */
  options: importOptions,
  /** What the import left out or changed. */
  problems: z.array(problem),
  /** What became of every file; empty in datasets of an earlier version. */
  account: z.array(accountLine).default([]),
  importedAt: z.string().describe('ISO 8601'),
  /** Data files, relative to the folder, in order of name. */
  files: z.array(z.object({ path: z.string(), bytes: z.number() })),
};

const imagesManifest = imagesDataset.extend({
  ...shared,
  /** Per channel, of pixel / 255 over the training images. */
  mean: z.array(z.number()),
  std: z.array(z.number().gt(0)),
  samplesPerClass: z.object({ train: counts, test: counts }),
});
export type ImagesManifest = z.infer<typeof imagesManifest>;

const tokensManifest = tokensDataset.extend(shared);

export const manifest = z.discriminatedUnion('kind', [imagesManifest, tokensManifest]);
export type Manifest = z.infer<typeof manifest>;

/** Letters, digits, `_`, `-` and `.`, not first a sign: safe as a folder name everywhere. */
export const datasetName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

export function datasetsFolder(home: string): string {
  return join(home, 'datasets');
}
