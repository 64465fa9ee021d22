// What a configuration and a dataset make together: the model with everything inferred, and the samples that the dataset has for it.

import { augmentationConfig, type AugmentationConfig } from '../contract/augmentation.ts';
import type { Dataset } from '../contract/commands.ts';
import type { ModelSpec } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { SwinConfig } from '../contract/modelConfig.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { checkWindow, type SwinSpec } from '../models/swin.ts';

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
  if (model.family === 'llama') {
    if (dataset.kind !== 'tokens') throw wrongKind(model.family, 'tokens', data.dataset, dataset.kind);
    requirePlain(data.augmentation);
    return fitTokens(model, dataset);
  }
  if (dataset.kind !== 'images') throw wrongKind(model.family, 'images', data.dataset, dataset.kind);
  const [channels, height, width] = dataset.sample as [number, number, number];
  const { size } = data.augmentation;
  const image: Images['image'] = size === undefined ? [height, width] : [size, size];
  const images: Images = { channels, image, classes: dataset.classes };
  const spec = model.family === 'swin' ? fitSwin(model, images) : { ...model, ...images };
  return { spec, train: dataset.train, test: dataset.test, kind: 'images', sequence: 0 };
}

type Images = Pick<SwinSpec, 'channels' | 'classes'> & { image: [number, number] };

function fitSwin({ preset: _, patch, window, ...sizes }: SwinConfig, images: Images): ModelSpec {
  const square = (extent: number): [number, number] => [extent, extent];
  const spec = { ...sizes, ...images, patch: square(patch), window: square(window) };
  checkWindow(spec);
  return spec;
}

/** A split of n tokens has as many whole sequences as fit before its last token, which is a label only. */
function fitTokens(
  model: Extract<RunConfig['model'], { family: 'llama' }>,
  dataset: Extract<Dataset, { kind: 'tokens' }>,
): Match {
  const { preset: _, vocab = dataset.vocabulary, ...sizes } = model;
  if (dataset.vocabulary > vocab) {
    const { token, file, position } = dataset.largest;
    throw new UserError(
      'configuration',
      `model.vocab is ${vocab}, but ${file} has token ${token} at position ${position} (from 0)`,
      { key: 'model.vocab' },
    );
  }
  const [train, test] = [dataset.train, dataset.test].map((tokens) => Math.floor((tokens - 1) / model.seq)) as [
    number,
    number,
  ];
  if (train === 0 || test === 0)
    throw new UserError(
      'configuration',
      `model.seq must leave a whole sequence in each split of ${dataset.name} (${dataset.train} and ${dataset.test} tokens), got ${model.seq}`,
      { key: 'model.seq' },
    );
  return { spec: { ...sizes, vocab }, train, test, kind: 'tokens', sequence: model.seq };
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
