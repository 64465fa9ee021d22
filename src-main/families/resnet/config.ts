// ResNet of basic blocks: torchvision's resnet18, resnet34 and any other depth, width and stem.

import { z } from 'zod';
import { caseImages, imageSpec, positiveInt, type Family } from '../family.ts';

const family = z.literal('resnet');
const stem = z.enum(['cifar', 'imagenet']);
const stages: Readonly<Record<string, number[]>> = { resnet18: [2, 2, 2, 2], resnet34: [3, 4, 6, 3] };

const config = z.strictObject({
  family: family.describe('Model family; ResNet with basic blocks'),
  layers: z
    .array(positiveInt.max(256))
    .min(1)
    .max(8)
    .default([2, 2, 2, 2])
    .describe('Basic blocks per stage, or resnet18 for [2,2,2,2], resnet34 for [3,4,6,3]'),
  width: positiveInt.max(4096).default(64).describe('Channels of the first stage; each later stage has twice as many'),
  stem: stem
    .default('cifar')
    .describe('cifar: 3x3 convolution of stride 1; imagenet: 7x7 convolution of stride 2 and max-pooling'),
});

const spec = z.object({
  family,
  /** Blocks per stage. */
  layers: z.array(positiveInt).min(1),
  /** Channels of the first stage. */
  width: z.number(),
  /** `cifar`: 3x3 convolution, no pooling; `imagenet`: 7x7 of stride 2, max-pooling. */
  stem,
  ...imageSpec,
});
export type ResNetSpec = Omit<z.infer<typeof spec>, 'family'>;

export const resnet = {
  config,
  spec,
  caseModel: z.object({ family, layers: z.array(positiveInt).min(1), width: positiveInt, stem, ...caseImages }),
  reads: 'images',
  formats: ['safetensors', 'onnx', 'timm', 'huggingface'],
  presets: [
    { title: 'ResNet-18', model: { layers: stages.resnet18! } },
    { title: 'ResNet-34', model: { layers: stages.resnet34! } },
  ],
  expand: (model) => {
    const layers = stages[String(model.layers)];
    return layers ? { ...model, layers } : model;
  },
  describe: ({ layers, width }) => `ResNet ${layers.join('-')}, width ${width}`,
  fit: (model, images) => ({ ...model, ...images }),
} satisfies Family<z.infer<typeof config>, z.infer<typeof spec>>;
