import { describe, expect, it } from 'vitest';
import { graphFlops } from '../../graph/flops.ts';
import { unitRows, type Held, type ModelDefinition } from '../../models/model.ts';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource } from '../../testing/random.ts';
import { randomFeeds } from '../../testing/randomFeeds.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import { familyOf } from '../configs.ts';
import { parseRunConfig } from '../../contract/runConfig.ts';
import type { ViTSpec } from './config.ts';
import { createViT } from './model.ts';

const small: ViTSpec = {
  patch: 4,
  hidden: 8,
  mlp: 12,
  layers: 2,
  heads: 2,
  channels: 3,
  image: [8, 8],
  classes: 5,
};
const block = 'encoder.layers.encoder_layer_1';

const holding = (model: ModelDefinition, change: Partial<Held>): Held => ({
  blocks: model.blocks,
  neurons: {},
  ...change,
});

const configOf = (model: object) =>
  parseRunConfig({ model: { family: 'vit', ...model }, data: { dataset: 'x' } }).model;

describe('a Vision Transformer', () => {
  it.each([
    ['vit_b_16', 86_567_656],
    ['vit_b_32', 88_224_232],
    ['vit_l_16', 304_326_632],
    ['vit_ti_16', 5_717_416],
  ])('has the parameters of %s', (preset, parameters) => {
    const config = configOf({ preset });
    const spec = familyOf(config).fit(config, { channels: 3, image: [224, 224], classes: 1000 } as never) as ViTSpec;
    const sizes = createViT(spec).tensors.map(({ shape }) => shape.reduce((size, extent) => size * extent, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(parameters);
  });

  it('gives a head its rows of query, key and value, and its columns of the projection', () => {
    const { tensors } = createViT(small);
    const rows = (name: string, units: number[]) =>
      unitRows(
        tensors.find((tensor) => tensor.name === `${block}.${name}`)!,
        units,
      );
    expect(rows('self_attention.in_proj_bias', [1])).toEqual([4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23]);
    expect(rows('self_attention.out_proj.weight', [1])).toEqual([4, 5, 6, 7]);
    expect(rows('mlp.3.weight', [0, 7])).toEqual([0, 7]);
  });

  it.each<[string, ViTSpec, Partial<Held>]>([
    ['one patch', { ...small, patch: 8 }, {}],
    ['no block held', small, { blocks: [] }],
    [
      'a block of which no head or hidden unit is held',
      small,
      { neurons: { [`${block}/heads`]: [], [`${block}/mlp`]: [] } },
    ],
    ['some heads and hidden units', small, { neurons: { [`${block}/heads`]: [1], [`${block}/mlp`]: [0, 5, 11] } }],
  ])('has gradients that match finite differences and ONNX Runtime: %s', async (_, spec, change) => {
    const model = createViT(spec);
    const granularity = change.neurons ? 'neuron' : 'block';
    const held = holding(model, change);
    const built = model.training({ batch: 2, granularity, masking: 'forward', held });
    const feeds = randomFeeds(built, spec.classes);
    // Parameters that the subnetwork has no use for are no inputs; their gradient is zero.
    for (const { tensor, shape } of built.outputs)
      if (!feeds.has(tensor)) feeds.set(tensor, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    expect(slopeError(built.graph, feeds, randomSource(5))).toBeLessThan(1e-4);
    const expected = interpret(built.graph, feeds);
    for (const [name, value] of await runOnnx(built.graph, feeds))
      expect(relativeError(value.data, expected.get(name)!.data), name).toBeLessThan(1e-4);
  });

  it('takes less work where less is held', () => {
    const model = createViT(small);
    const flops = (change: Partial<Held>, granularity: 'block' | 'neuron') =>
      graphFlops(model.training({ batch: 2, granularity, masking: 'forward', held: holding(model, change) }).graph);
    const all = flops({}, 'block');
    expect(flops({ blocks: [block] }, 'block')).toBeLessThan(0.7 * all);
    expect(flops({ neurons: { [`${block}/heads`]: [0], [`${block}/mlp`]: [1] } }, 'neuron')).toBeLessThan(all);
  });

  it.each([
    [{ hidden: 30, heads: 4 }, 'model.heads must divide model.hidden, 30, got 4'],
    [{ preset: 'vit_x' }, 'model.preset must be custom or vit_ti_16'],
  ])('refuses the configuration %j', (model, message) => {
    expect(() => configOf(model)).toThrow(message);
  });

  it.each([
    [{ patch: 3 }, 'model.patch must divide the image, 8x8, got 3'],
    [
      { image: [8, 16] as [number, number] },
      'model.family vit takes square images, and these are 16 wide and 8 high; set data.augmentation.size',
    ],
  ])('refuses the image %j', (change, message) => {
    expect(() => createViT({ ...small, ...change })).toThrow(message);
  });
});
