// torchvision's Swin Transformer: swin_t, swin_s, swin_b and any other sizes.

import { z } from 'zod';
import {
  caseExtents,
  caseImages,
  count,
  extents,
  imageSpec,
  perStage,
  positiveInt,
  refused,
  type ConfigProblem,
  type Family,
} from '../family.ts';

const family = z.literal('swin');

const config = z.strictObject({
  family: family.describe("Model family; torchvision's Swin Transformer"),
  preset: z
    .enum(['custom', 'swin_t', 'swin_s', 'swin_b'])
    .default('custom')
    .describe('Sizes by name; custom: the sizes below'),
  patch: count.default(4).describe('Height and width of a patch, in pixels'),
  window: count.default(7).describe('Height and width of a window of attention, in patches'),
  embed: count.default(96).describe('Channels of the first stage; each later stage has twice as many'),
  depths: perStage(256, [2, 2, 6, 2]).describe('Blocks per stage'),
  heads: perStage(4096, [3, 6, 12, 24]).describe(
    'Attention heads per stage; their number must divide the channels of the stage',
  ),
  mlpRatio: z.number().gt(0).max(64).default(4).describe('Hidden units of each MLP per channel'),
});
type SwinConfig = z.infer<typeof config>;

const sizes: Record<Exclude<SwinConfig['preset'], 'custom'>, Omit<SwinConfig, 'family' | 'preset'>> = {
  swin_t: { patch: 4, window: 7, embed: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], mlpRatio: 4 },
  swin_s: { patch: 4, window: 7, embed: 96, depths: [2, 2, 18, 2], heads: [3, 6, 12, 24], mlpRatio: 4 },
  swin_b: { patch: 4, window: 7, embed: 128, depths: [2, 2, 18, 2], heads: [4, 8, 16, 32], mlpRatio: 4 },
};

const spec = z.object({
  family,
  /** Extents of a patch and of a window in patches. */
  patch: extents,
  window: extents,
  /** Channels of the first stage; every further stage has twice as many. */
  embed: z.number(),
  /** Blocks, and heads of each, per stage. */
  depths: z.array(z.number()),
  heads: z.array(z.number()),
  /** Hidden units of the MLP per channel. */
  mlpRatio: z.number(),
  ...imageSpec,
});
export type SwinSpec = Omit<z.infer<typeof spec>, 'family'>;

const caseModel = z
  .object({
    family,
    patch: caseExtents,
    embed: positiveInt,
    depths: z.array(positiveInt).min(1),
    heads: z.array(positiveInt).min(1),
    window: caseExtents,
    mlp_ratio: z.number(),
    ...caseImages,
  })
  .transform(({ mlp_ratio: mlpRatio, ...rest }) => ({ ...rest, mlpRatio }));

const square = (extent: number): [number, number] => [extent, extent];

export const swin = {
  config,
  spec,
  caseModel,
  reads: 'images',
  formats: ['safetensors', 'onnx', 'timm', 'huggingface'],
  presets: [
    { title: 'Swin-T', model: { preset: 'swin_t' } },
    { title: 'Swin-S', model: { preset: 'swin_s' } },
    { title: 'Swin-B', model: { preset: 'swin_b' } },
  ],
  sizes,
  problem,
  describe: ({ depths, embed, window }) => `Swin ${depths.join('-')}, width ${embed}, windows of ${window}`,
  fit({ preset: _, patch, window, ...rest }, images) {
    const fitted = { ...rest, ...images, patch: square(patch), window: square(window) };
    checkWindow(fitted);
    return fitted;
  },
} satisfies Family<SwinConfig, z.infer<typeof spec>>;

function problem({ depths, heads, embed }: SwinConfig): ConfigProblem | null {
  if (heads.length !== depths.length)
    return {
      key: 'model.heads',
      problem: `must have an entry for each of the ${depths.length} stages of model.depths, got ${heads.length}`,
    };
  const stage = heads.findIndex((heads, index) => (embed * 2 ** index) % heads !== 0);
  if (stage < 0) return null;
  return {
    key: `model.heads.${stage}`,
    problem: `must divide the ${embed * 2 ** stage} channels of its stage, got ${heads[stage]}`,
  };
}

/** Fails with one sentence where sizes do not go together. */
export function checkSizes({ depths, heads, embed, mlpRatio, patch, image }: SwinSpec): void {
  if (heads.length !== depths.length)
    throw refused('heads', `must have an entry for each of the ${depths.length} stages, got ${heads.length}`);
  heads.forEach((heads, stage) => {
    const channels = embed * 2 ** stage;
    if (channels % heads !== 0)
      throw refused(`heads.${stage}`, `must divide the ${channels} channels of its stage, got ${heads}`);
  });
  if (Math.trunc(embed * mlpRatio) < 1)
    throw refused('mlpRatio', `must give the MLP of ${embed} channels a hidden unit, got ${mlpRatio}`);
  if (image.some((extent, i) => extent < patch[i]!))
    throw refused('patch', `must be at most the image, ${image.join('x')}, got ${patch.join('x')}`);
}

/** Windows larger than the image work as in torchvision, by padding, but a configuration that asks for them is a mistake. */
export function checkWindow(spec: SwinSpec): void {
  checkSizes(spec);
  const { window, image, patch } = spec;
  const tokens = image.map((extent, i) => Math.floor(extent / patch[i]!));
  if (window.some((extent, i) => extent > tokens[i]!))
    throw refused('window', `must be at most the image of ${tokens.join('x')} patches, got ${window.join('x')}`);
}
