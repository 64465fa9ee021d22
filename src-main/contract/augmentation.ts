// What is done to images between the dataset and the model: keys, presets and checks. Parameters mean what torchvision's transforms of the same
// names mean; native/data/src/augment.rs applies them.

import { z } from 'zod';

const positiveInt = z.int().min(1);
const share = z.number().min(0).max(1);
const change = z.number().min(0).max(4).default(0);

export const augmentationConfig = z.strictObject({
  preset: z
    .enum(['none', 'mnist', 'cifar', 'imagenet', 'custom'])
    .default('none')
    .describe('none, mnist: normalisation alone; cifar: padded crop and flip; imagenet: random resized crop and flip'),
  size: positiveInt
    .max(4096)
    .optional()
    .describe('Height and width of the images that the model gets, in pixels; default: those of the dataset'),
  evaluationResize: positiveInt
    .max(8192)
    .optional()
    .describe('Evaluation: length of the shorter side before the centre crop, in pixels; default: size'),
  resizedCrop: share.default(0).describe('Random resized crop: smallest share of the area; 0: no crop'),
  cropPadding: z.int().min(0).max(1024).default(0).describe('Random crop: pixels of padding on each side; 0: no crop'),
  flip: share.default(0).describe('Probability of a horizontal flip'),
  brightness: change.describe('Colour jitter: largest change of brightness, as a share'),
  contrast: change.describe('Colour jitter: largest change of contrast, as a share'),
  saturation: change.describe('Colour jitter: largest change of saturation, as a share'),
  hue: z
    .number()
    .min(0)
    .max(0.5)
    .default(0)
    .describe('Colour jitter: largest turn of the hue, as a share of the circle'),
  randAugment: z.int().min(0).max(16).default(0).describe('RandAugment: operations per image'),
  magnitude: z.int().min(0).max(30).default(9).describe('RandAugment: magnitude of the operations'),
  mixup: z.number().min(0).max(1e3).default(0).describe('Mixup: alpha of its Beta distribution; 0: none'),
  cutmix: z.number().min(0).max(1e3).default(0).describe('CutMix: alpha of its Beta distribution; 0: none'),
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Label smoothing: share of the label that is spread over all classes in training'),
});
export type AugmentationConfig = z.infer<typeof augmentationConfig>;

/** Preset -> the keys it sets. Those of torchvision's training references for the datasets of these names. */
export const augmentationPresets: ReadonlyMap<string, Partial<AugmentationConfig>> = new Map([
  ['none', {}],
  ['mnist', {}],
  ['cifar', { cropPadding: 4, flip: 0.5 }],
  ['imagenet', { size: 224, evaluationResize: 256, resizedCrop: 0.08, flip: 0.5 }],
]);

/** Puts the keys of a preset in the place of its name. Keys that are given count; where one differs from the preset's, it is custom. */
export function withAugmentationPreset(augmentation: unknown): unknown {
  if (typeof augmentation !== 'object' || augmentation === null) return augmentation;
  const given = augmentation as Record<string, unknown>;
  const keys = augmentationPresets.get(String(given.preset));
  if (!keys) return augmentation;
  const merged: Record<string, unknown> = { ...keys, ...given };
  const asNamed = Object.entries(keys).every(([key, value]) => merged[key] === value);
  return asNamed ? merged : { ...merged, preset: 'custom' };
}

/** What is wrong with a combination of keys, and the key to name; null where nothing is. */
export function augmentationProblem(augmentation: AugmentationConfig): { key: string; problem: string } | null {
  const { size, evaluationResize, resizedCrop, cropPadding } = augmentation;
  if (resizedCrop > 0 && cropPadding > 0)
    return { key: 'data.augmentation.cropPadding', problem: 'and data.augmentation.resizedCrop exclude each other' };
  if (evaluationResize !== undefined && evaluationResize < (size ?? evaluationResize))
    return {
      key: 'data.augmentation.evaluationResize',
      problem: `must be at least data.augmentation.size, ${size}, got ${evaluationResize}`,
    };
  return null;
}

/** Whether the labels of a training batch are shares of the classes, in the place of one class. */
export const hasSoftLabels = ({ mixup, cutmix, labelSmoothing }: AugmentationConfig): boolean =>
  mixup > 0 || cutmix > 0 || labelSmoothing > 0;
