import { expect, it } from 'vitest';
import { familyOf, type ModelSpec } from './configs.ts';
import { interleavedRows } from './llama/gguf.ts';
import { createModel } from './models.ts';
import { presetSpecs } from './testSpecs.ts';

const images = { channels: 3, image: [56, 56] as [number, number], classes: 10 };
const resnet: ModelSpec = { family: 'resnet', layers: [1, 2, 1, 1], width: 64, stem: 'imagenet', ...images };
const swin: ModelSpec = {
  family: 'swin',
  patch: [4, 4],
  window: [7, 7],
  embed: 12,
  depths: [2, 2],
  heads: [2, 3],
  mlpRatio: 2.5,
  ...images,
};
const vit: ModelSpec = { family: 'vit', patch: 8, hidden: 12, mlp: 31, layers: 2, heads: 2, ...images };

it('a family says of which formats it has the names', () => {
  for (const spec of presetSpecs().first) {
    const model = createModel(spec);
    const { formats } = familyOf(spec);
    expect([formats.includes('timm'), formats.includes('huggingface'), formats.includes('gguf')]).toEqual([
      model.timm !== undefined,
      model.huggingFace !== undefined,
      model.gguf !== undefined,
    ]);
  }
});

it.each([resnet, swin, vit])('every tensor of $family has names of its own in both libraries', (spec) => {
  const model = createModel(spec);
  const names = model.tensors.map(({ name }) => name);
  for (const library of [model.timm!(), model.huggingFace!()]) {
    const renamed = names.flatMap((name) => library.names(name));
    expect(new Set(renamed).size).toBe(renamed.length);
    expect(renamed.length).toBeGreaterThanOrEqual(names.length);
    expect(renamed.filter((name) => /features|encoder_layer|in_proj|[{}]/.test(name))).toEqual([]);
  }
});

it('names are those that the libraries have', () => {
  expect(createModel(swin).huggingFace!().names('features.3.1.attn.qkv.bias')).toEqual([
    'swin.encoder.layers.1.blocks.1.attention.self.query.bias',
    'swin.encoder.layers.1.blocks.1.attention.self.key.bias',
    'swin.encoder.layers.1.blocks.1.attention.self.value.bias',
  ]);
  expect(createModel(swin).timm!().names('features.2.norm.weight')).toEqual(['layers.1.downsample.norm.weight']);
  expect(createModel(vit).timm!().names('encoder.layers.encoder_layer_1.self_attention.in_proj_weight')).toEqual([
    'blocks.1.attn.qkv.weight',
  ]);
  expect(createModel(resnet).huggingFace!().names('layer2.1.bn2.running_var')).toEqual([
    'resnet.encoder.stages.1.layers.1.layer.1.normalization.running_var',
  ]);
});

it("timm's ratio gives the very number of hidden units", () => {
  const { model_args } = createModel(vit).timm!().config as { model_args: { mlp_ratio: number } };
  expect(Math.trunc(12 * model_args.mlp_ratio)).toBe(31);
});

it.each([
  [{ ...resnet, width: 8 }, 'timm', 'timm has no such network: the first stage of a ResNet has 64 channels there'],
  [{ ...resnet, layers: [1, 1] }, 'timm', 'a ResNet has 4 stages there, and this model has 2'],
  [{ ...resnet, stem: 'cifar' }, 'huggingFace', 'a ResNet has the stem of ImageNet there, and model.stem is cifar'],
  [{ ...swin, window: [4, 4] }, 'timm', 'windows of 4x4 must cover each stage there, and stage 1 has 14x14 patches'],
  [{ ...swin, image: [58, 58] }, 'huggingFace', 'patches of 4x4 must cover the image there, and it is 58x58'],
] as const)('a network that a library lacks is refused: %#', (spec, library, problem) => {
  expect(() => createModel(spec as unknown as ModelSpec)[library]!()).toThrow(problem);
});

it('pairs that lie half a head apart lie side by side', () => {
  expect(interleavedRows(2, 6)).toEqual([0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
});
