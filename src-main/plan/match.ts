// What a configuration and a dataset make together: the model with everything inferred, and the samples that the dataset has for it.

import { augmentationConfig, type AugmentationConfig } from '../contract/augmentation.ts';
import type { Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { familyOf, type ModelSpec } from '../families/configs.ts';
import type { ImageData } from '../families/family.ts';

export interface Match {
  spec: ModelSpec;
  /** Samples of each split. */
  train: number;
  test: number;
  /** How the loader reads the dataset; `sequence` is 0 for images. */
  kind: Dataset['kind'];
  sequence: number;
}

export function matchData({ model, data }: RunConfig, dataset: Dataset): Match {
  const family = familyOf(model);
  if (family.reads === 'tokens') {
    if (dataset.kind !== 'tokens') throw wrongKind(model.family, 'tokens', data.dataset, dataset.kind);
    requirePlain(data.augmentation);
    const spec = family.fit(model, dataset);
    return { spec, ...sequences(spec.seq, dataset), kind: 'tokens', sequence: spec.seq };
  }
  if (dataset.kind !== 'images') throw wrongKind(model.family, 'images', data.dataset, dataset.kind);
  const [channels, height, width] = dataset.sample as [number, number, number];
  const { size } = data.augmentation;
  const image: ImageData['image'] = size === undefined ? [height, width] : [size, size];
  const spec = family.fit(model, { channels, image, classes: dataset.classes });
  return { spec, train: dataset.train, test: dataset.test, kind: 'images', sequence: 0 };
}

/** A split of n tokens has as many whole sequences as fit before its last token, which is a label only. */
function sequences(seq: number, dataset: Dataset): Pick<Match, 'train' | 'test'> {
  const [train, test] = [dataset.train, dataset.test].map((tokens) => Math.floor((tokens - 1) / seq)) as [
    number,
    number,
  ];
  if (train === 0 || test === 0)
    throw new UserError(
      'configuration',
      `model.seq must leave a whole sequence in each split of ${dataset.name} (${dataset.train} and ${dataset.test} tokens), got ${seq}`,
      { key: 'model.seq' },
    );
  return { train, test };
}

/** Tokens are read as they are. */
function requirePlain(augmentation: AugmentationConfig): void {
  const plain = augmentationConfig.parse({});
  const asked = (Object.keys(augmentation) as (keyof AugmentationConfig)[]).find(
    (key) => augmentation[key] !== plain[key],
  );
  if (asked === undefined) return;
  const key = `data.augmentation.${asked}`;
  throw new UserError('configuration', `${key} is for images, and the dataset holds tokens; leave it out`, { key });
}

function wrongKind(family: string, reads: string, dataset: string, holds: string): UserError {
  return new UserError(
    'configuration',
    `model.family ${family} reads ${reads}, but dataset ${dataset} holds ${holds}`,
    {
      key: 'data.dataset',
    },
  );
}
