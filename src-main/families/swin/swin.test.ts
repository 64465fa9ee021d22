import { describe, expect, it } from 'vitest';
import { graphFlops } from '../../graph/flops.ts';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource } from '../../testing/random.ts';
import { randomFeeds } from '../../testing/randomFeeds.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import { unitRows, type Held, type ModelDefinition } from '../../models/model.ts';
import { checkWindow, type SwinSpec } from './config.ts';
import { createSwin } from './model.ts';

const small: SwinSpec = {
  patch: [2, 2],
  window: [4, 4],
  embed: 8,
  depths: [2, 1],
  heads: [2, 4],
  mlpRatio: 2,
  channels: 3,
  image: [16, 16],
  classes: 5,
};
const swinT: SwinSpec = {
  ...small,
  patch: [4, 4],
  window: [7, 7],
  embed: 96,
  depths: [2, 2, 6, 2],
  heads: [3, 6, 12, 24],
  mlpRatio: 4,
  image: [224, 224],
  classes: 1000,
};

const holding = (model: ModelDefinition, change: Partial<Held>): Held => ({
  blocks: model.blocks,
  neurons: {},
  ...change,
});

describe('a Swin Transformer', () => {
  it('has the parameters of swin_t', () => {
    const model = createSwin(swinT);
    const sizes = model.tensors.map(({ shape }) => shape.reduce((size, extent) => size * extent, 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(28_288_354);
    expect(model.constants).toHaveLength(12);
    expect(model.constants[0]!.values).toHaveLength(49 * 49);
  });

  it('gives a head its rows of query, key and value, and its columns of the projection', () => {
    const { tensors } = createSwin(small);
    const rows = (name: string, units: number[]) =>
      unitRows(
        tensors.find((t) => t.name === name)!,
        units,
      );
    expect(rows('features.1.0.attn.qkv.bias', [1])).toEqual([4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23]);
    expect(rows('features.3.0.attn.proj.weight', [0, 2])).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
    expect(rows('features.1.0.attn.relative_position_bias_table', [1])).toEqual([1]);
  });

  it('computes less for what is not held, by either masking', () => {
    const model = createSwin(small);
    const flops = (masking: 'forward' | 'backward', granularity: 'block' | 'neuron', held: Held) =>
      graphFlops(model.training({ batch: 2, masking, granularity, held }).graph);
    const whole = flops('forward', 'block', holding(model, {}));
    const oneBlock = holding(model, { blocks: ['features.1.1'] });
    const half = Object.fromEntries(
      model.groups.map(({ id, size }) => [id, Array.from({ length: size / 2 }, (_, i) => 2 * i)]),
    );
    const fewUnits = holding(model, { neurons: half });
    expect(flops('forward', 'block', oneBlock)).toBeLessThan(flops('backward', 'block', oneBlock));
    expect(flops('backward', 'block', oneBlock)).toBeLessThan(whole);
    expect(flops('forward', 'neuron', fewUnits)).toBeLessThan(flops('backward', 'neuron', fewUnits));
    expect(flops('backward', 'neuron', fewUnits)).toBeLessThan(whole);
  });

  it.each<[string, Partial<SwinSpec>, Partial<Held>]>([
    ['windows that need padding, an odd image', { window: [3, 2], image: [7, 11], mlpRatio: 1.5 }, {}],
    ['windows larger than the image, one stage', { window: [5, 2], image: [6, 6], depths: [2], heads: [2] }, {}],
    ['no block held', {}, { blocks: [] }],
    [
      'blocks of which no head or hidden unit is held',
      {},
      {
        neurons: {
          'features.1.0/heads': [],
          'features.1.1/mlp': [],
          'features.1.1/heads': [1],
          'features.3.0/mlp': [0, 5],
        },
      },
    ],
  ])('has gradients that match finite differences and ONNX Runtime: %s', async (_, change, held) => {
    const model = createSwin({ ...small, window: [3, 3], image: [10, 10], ...change });
    const granularity = held.neurons ? 'neuron' : 'block';
    const built = model.training({ batch: 2, granularity, masking: 'forward', held: holding(model, held) });
    const feeds = randomFeeds(built, small.classes);
    // Parameters that the subnetwork has no use for are no inputs; their gradient is zero.
    for (const { tensor, shape } of built.outputs)
      if (!feeds.has(tensor)) feeds.set(tensor, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    expect(slopeError(built.graph, feeds, randomSource(3))).toBeLessThan(1e-4);
    const expected = interpret(built.graph, feeds);
    for (const [name, value] of await runOnnx(built.graph, feeds))
      expect(relativeError(value.data, expected.get(name)!.data), name).toBeLessThan(1e-4);
  });

  it('scales both residual branches, and infers what it evaluates', async () => {
    const model = createSwin(small);
    const full = { batch: 1, granularity: 'block', branchScale: 1 } as const;
    const built = model.evaluation({ ...full, branchScale: 0.5 });
    const feeds = randomFeeds(built, small.classes);
    const halved = new Map(feeds);
    for (const name of model.branchOutputs) {
      const { shape, data } = feeds.get(name)!;
      halved.set(name, { shape, data: Array.from(data, (x) => x / 2) });
    }
    const logits = (await runOnnx(built.graph, feeds)).get('logits')!.data;
    expect(
      relativeError(logits, (await runOnnx(model.evaluation(full).graph, halved)).get('logits')!.data),
    ).toBeLessThan(1e-5);
    expect(relativeError(logits, (await runOnnx(model.inference().graph, halved)).get('logits')!.data)).toBeLessThan(
      1e-5,
    );
  });

  it.each<[Partial<SwinSpec>, string]>([
    [{ heads: [3, 4] }, 'model.heads.0 must divide the 8 channels of its stage, got 3'],
    [{ heads: [2] }, 'model.heads must have an entry for each of the 2 stages, got 1'],
    [{ mlpRatio: 0.1 }, 'model.mlpRatio must give the MLP of 8 channels a hidden unit, got 0.1'],
    [{ patch: [4, 17] }, 'model.patch must be at most the image, 16x16, got 4x17'],
  ])('refuses %j', (change, message) => {
    expect(() => createSwin({ ...small, ...change })).toThrow(message);
  });

  it('works with windows larger than the image, of which a configuration is warned', () => {
    const wide = { ...small, window: [9, 9] } satisfies SwinSpec;
    const model = createSwin(wide);
    expect(model.evaluation({ batch: 1, granularity: 'block', branchScale: 1 }).graph.nodes.length).toBeGreaterThan(0);
    expect(() => checkWindow(wide)).toThrow('model.window must be at most the image of 8x8 patches, got 9x9');
  });
});
