// torchvision's Vision Transformer: vit_b_16, vit_b_32, vit_l_16, smaller ones and any other sizes.

import { z } from 'zod';
import { caseImages, count, imageSpec, positiveInt, refused, type ConfigProblem, type Family } from '../family.ts';

const family = z.literal('vit');

const config = z.strictObject({
  family: family.describe("Model family; torchvision's Vision Transformer"),
  preset: z
    .enum(['custom', 'vit_ti_16', 'vit_s_16', 'vit_b_16', 'vit_b_32', 'vit_l_16'])
    .default('custom')
    .describe('Sizes by name; custom: the sizes below'),
  patch: count.default(4).describe('Height and width of a patch, in pixels; must divide those of the image'),
  hidden: count.default(192).describe('Width of the hidden states'),
  mlp: count.default(768).describe('Hidden units of each MLP'),
  layers: count.max(1000).default(6).describe('Encoder layers'),
  heads: count.default(3).describe('Attention heads; their number must divide hidden'),
});
type ViTConfig = z.infer<typeof config>;

/** B and L of Dosovitskiy et al., 2021, "An Image is Worth 16x16 Words"; Ti and S of Touvron et al., 2021, "Training data-efficient image transformers". */
const sizes: Record<Exclude<ViTConfig['preset'], 'custom'>, Omit<ViTConfig, 'family' | 'preset'>> = {
  vit_ti_16: { patch: 16, hidden: 192, mlp: 768, layers: 12, heads: 3 },
  vit_s_16: { patch: 16, hidden: 384, mlp: 1536, layers: 12, heads: 6 },
  vit_b_16: { patch: 16, hidden: 768, mlp: 3072, layers: 12, heads: 12 },
  vit_b_32: { patch: 32, hidden: 768, mlp: 3072, layers: 12, heads: 12 },
  vit_l_16: { patch: 16, hidden: 1024, mlp: 4096, layers: 24, heads: 16 },
};

const spec = z.object({
  family,
  /** Height and width of a patch. */
  patch: z.number(),
  hidden: z.number(),
  /** Hidden units of each MLP. */
  mlp: z.number(),
  layers: z.number(),
  heads: z.number(),
  ...imageSpec,
});
export type ViTSpec = Omit<z.infer<typeof spec>, 'family'>;

export const vit = {
  config,
  spec,
  caseModel: z.object({
    family,
    patch: positiveInt,
    hidden: positiveInt,
    mlp: positiveInt,
    layers: positiveInt,
    heads: positiveInt,
    ...caseImages,
  }),
  reads: 'images',
  formats: ['safetensors', 'onnx', 'timm', 'huggingface'],
  presets: [
    { title: 'ViT-Ti/16', model: { preset: 'vit_ti_16' } },
    { title: 'ViT-S/16', model: { preset: 'vit_s_16' } },
    { title: 'ViT-B/16', model: { preset: 'vit_b_16' } },
  ],
  sizes,
  problem,
  describe: ({ layers, hidden, patch }) => `ViT of ${layers} layers, width ${hidden}, patches of ${patch}`,
  fit({ preset: _, ...rest }, images) {
    const fitted = { ...rest, ...images };
    checkImage(fitted);
    return fitted;
  },
} satisfies Family<ViTConfig, z.infer<typeof spec>>;

function problem({ hidden, heads }: ViTConfig): ConfigProblem | null {
  return hidden % heads === 0
    ? null
    : { key: 'model.heads', problem: `must divide model.hidden, ${hidden}, got ${heads}` };
}

/** Fails with one sentence where the patches do not cover the image, or torchvision could not load the model. */
export function checkImage({ patch, image: [height, width] }: ViTSpec): void {
  if (height !== width)
    throw refused(
      'family',
      `vit takes square images, and these are ${width} wide and ${height} high; set data.augmentation.size`,
    );
  if (height % patch !== 0) throw refused('patch', `must divide the image, ${height}x${width}, got ${patch}`);
}
