// The model section of a run configuration: one schema per family, told apart by `family`; presets and the rules that go across keys.

import { z } from 'zod';

const positiveInt = z.int().min(1);

export const resnetConfig = z.strictObject({
  family: z.literal('resnet').describe('Model family; ResNet with basic blocks'),
  layers: z
    .array(positiveInt.max(256))
    .min(1)
    .max(8)
    .default([2, 2, 2, 2])
    .describe('Basic blocks per stage, or resnet18 for [2,2,2,2], resnet34 for [3,4,6,3]'),
  width: positiveInt
    .max(4096)
    .default(64)
    .describe('Channels of the first stage; every further stage has twice as many'),
  stem: z
    .enum(['cifar', 'imagenet'])
    .default('cifar')
    .describe('cifar: 3x3 stride 1; imagenet: 7x7 stride 2 and max-pooling'),
});

const count = positiveInt.max(1e6);
const perStage = (most: number, values: number[]) => z.array(positiveInt.max(most)).min(1).max(8).default(values);

export const swinConfig = z.strictObject({
  family: z.literal('swin').describe("Model family; torchvision's Swin Transformer"),
  preset: z
    .enum(['custom', 'swin_t', 'swin_s', 'swin_b'])
    .default('custom')
    .describe('Sizes by name; custom: the sizes below'),
  patch: count.default(4).describe('Height and width of a patch, in pixels'),
  window: count.default(7).describe('Height and width of a window of attention, in patches'),
  embed: count.default(96).describe('Channels of the first stage; every further stage has twice as many'),
  depths: perStage(256, [2, 2, 6, 2]).describe('Blocks per stage'),
  heads: perStage(4096, [3, 6, 12, 24]).describe('Attention heads per stage; they divide its channels'),
  mlpRatio: z.number().gt(0).max(64).default(4).describe('Hidden units of each MLP per channel'),
});
export type SwinConfig = z.infer<typeof swinConfig>;

export const llamaConfig = z.strictObject({
  family: z.literal('llama').describe('Model family; language model as LlamaForCausalLM'),
  preset: z
    .enum(['custom', '15M', '134M', '500M', '1B'])
    .default('custom')
    .describe('Sizes by name, counted with a vocabulary of 32,000; custom: the sizes below'),
  hidden: count.default(256).describe('Width of the hidden states'),
  ff: count.default(688).describe('Hidden units of each MLP'),
  layers: count.max(1000).default(6).describe('Decoder layers'),
  heads: count.default(8).describe('Query heads'),
  kvHeads: count.default(8).describe('Key-value heads; query heads share them out evenly'),
  tied: z.boolean().default(false).describe('The head shares the weight of the embedding'),
  seq: count.default(256).describe('Tokens of a sequence'),
  vocab: count.optional().describe('Vocabulary; default: that of the data'),
});
export type LlamaConfig = z.infer<typeof llamaConfig>;

/** Values in the tables of rotary embeddings: positions times the size of a head. */
const mostRotations = 2 ** 24;

export const modelConfig = z.discriminatedUnion('family', [resnetConfig, swinConfig, llamaConfig]);
export type ModelConfig = z.infer<typeof modelConfig>;

const stages: Record<string, number[]> = { resnet18: [2, 2, 2, 2], resnet34: [3, 4, 6, 3] };

type Sizes = Pick<LlamaConfig, 'hidden' | 'ff' | 'layers' | 'heads' | 'kvHeads' | 'tied'>;

const llamaSizes: Record<Exclude<LlamaConfig['preset'], 'custom'>, Sizes> = {
  '15M': { hidden: 288, ff: 768, layers: 6, heads: 6, kvHeads: 6, tied: true },
  '134M': { hidden: 768, ff: 2048, layers: 12, heads: 12, kvHeads: 12, tied: false },
  '500M': { hidden: 1280, ff: 3456, layers: 21, heads: 20, kvHeads: 20, tied: false },
  '1B': { hidden: 2048, ff: 8192, layers: 16, heads: 32, kvHeads: 8, tied: true },
};

type SwinSizes = Omit<SwinConfig, 'family' | 'preset'>;

const swinSizes: Record<Exclude<SwinConfig['preset'], 'custom'>, SwinSizes> = {
  swin_t: { patch: 4, window: 7, embed: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], mlpRatio: 4 },
  swin_s: { patch: 4, window: 7, embed: 96, depths: [2, 2, 18, 2], heads: [3, 6, 12, 24], mlpRatio: 4 },
  swin_b: { patch: 4, window: 7, embed: 128, depths: [2, 2, 18, 2], heads: [4, 8, 16, 32], mlpRatio: 4 },
};

const sizesByName: Record<string, Record<string, object>> = { llama: llamaSizes, swin: swinSizes };

/** Keys of a model section that a preset of the family gives; the form leaves them out. */
export const presetKeys: Readonly<Record<string, readonly string[]>> = {
  llama: Object.keys(llamaSizes['15M']),
  swin: Object.keys(swinSizes.swin_t),
};

/** Puts sizes in the place of names. Keys that are given count; where one differs from the preset's, the sizes are custom. */
export function withPresets(model: unknown): unknown {
  if (typeof model !== 'object' || model === null) return model;
  const { family, layers, preset } = model as Record<string, unknown>;
  if (family === 'resnet' && typeof layers === 'string' && stages[layers]) return { ...model, layers: stages[layers] };
  const sizes = new Map(Object.entries(sizesByName[String(family)] ?? {})).get(String(preset));
  if (!sizes) return model;
  const merged: Record<string, unknown> = { ...sizes, ...model };
  const asNamed = Object.entries(sizes).every(([key, value]) => JSON.stringify(merged[key]) === JSON.stringify(value));
  return asNamed ? merged : { ...merged, preset: 'custom' };
}

/** What is wrong with a combination of keys, and the key to name; null where nothing is. */
export function modelProblem(model: ModelConfig): { key: string; problem: string } | null {
  if (model.family === 'swin') return swinProblem(model);
  if (model.family === 'resnet') return null;
  const { hidden, heads, kvHeads, seq } = model;
  if (hidden % heads !== 0) return { key: 'model.heads', problem: `must divide model.hidden, ${hidden}, got ${heads}` };
  if ((hidden / heads) % 2 !== 0)
    return {
      key: 'model.heads',
      problem: `must leave heads of even size, but ${hidden} / ${heads} is ${hidden / heads}`,
    };
  if (heads % kvHeads !== 0)
    return { key: 'model.kvHeads', problem: `must divide model.heads, ${heads}, got ${kvHeads}` };
  const longest = Math.floor(mostRotations / (hidden / heads));
  if (seq > longest)
    return {
      key: 'model.seq',
      problem: `must be at most ${longest} with heads of size ${hidden / heads}, got ${seq}`,
    };
  return null;
}

function swinProblem({ depths, heads, embed }: SwinConfig): { key: string; problem: string } | null {
  if (heads.length !== depths.length)
    return {
      key: 'model.heads',
      problem: `must have an entry for each of the ${depths.length} stages of model.depths, got ${heads.length}`,
    };
  const stage = heads.findIndex((count, index) => (embed * 2 ** index) % count !== 0);
  if (stage < 0) return null;
  return {
    key: `model.heads.${stage}`,
    problem: `must divide the ${embed * 2 ** stage} channels of its stage, got ${heads[stage]}`,
  };
}
