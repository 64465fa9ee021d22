// The record of an imported dataset, `manifest.json` beside its arrays. A dataset folder is:
//   images: manifest.json, train/images.npy (uint8 [n,C,H,W]), train/labels.npy (int64 [n]), test/images.npy, test/labels.npy
//   tokens: manifest.json, train/tokens.npy (uint16 or uint32 [n]), test/tokens.npy
// The training loader maps the arrays as they are; `mean` and `std` normalise images: input = (pixel / 255 - mean) / std.

import { join } from 'node:path';
import { z } from 'zod';
import { imagesDataset, tokensDataset, type Dataset } from '../contract/commands.ts';

export const splits = ['train', 'test'] as const;
export type Split = (typeof splits)[number];

const counts = z.array(z.int().min(0));

const shared = {
  version: z.literal(1),
  /** How it was imported. */
  options: z.object({ as: z.string() }),
  importedAt: z.string().describe('ISO 8601'),
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
export type TokensManifest = z.infer<typeof tokensManifest>;

export const manifest = z.discriminatedUnion('kind', [imagesManifest, tokensManifest]);
export type Manifest = z.infer<typeof manifest>;

/** Letters, digits, `_`, `-` and `.`, not first a sign: safe as a folder name everywhere. */
export const datasetName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

export function datasetsFolder(home: string): string {
  return join(home, 'datasets');
}

/** Arrays of a dataset folder, in the order in which its fingerprint reads them. */
export function arrayFiles(kind: Dataset['kind']): string[] {
  const names = kind === 'images' ? ['labels.npy', 'images.npy'] : ['tokens.npy'];
  return splits.flatMap((split) => names.map((name) => join(split, name)));
}
