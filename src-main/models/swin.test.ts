import { describe, expect, it } from 'vitest';
import { graphFlops } from '../graph/flops.ts';
import { unitRows, type Held, type ModelDefinition } from './model.ts';
import { checkWindow, createSwin, type SwinSpec } from './swin.ts';

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

  it.each<[Partial<SwinSpec>, string]>([
    [{ heads: [3, 4] }, 'model.heads.0 must divide the 8 channels of its stage, got 3'],
    [{ heads: [2] }, 'model.heads must have an entry for each of the 2 stages, got 1'],
    [{ mlpRatio: 0.1 }, 'model.mlpRatio must give the MLP of 8 channels a hidden unit, got 0.1'],
    [{ patch: [4, 17] }, 'model.patch must be at most the image, 16x16, got 4x17'],
  ])('refuses %j', (change, message) => {
    expect(() => createSwin({ ...small, ...change })).toThrow(message);
  });

  it('works with windows larger than the image, of which a configuration is warned', () => {
    const wide = { ...small, window: [9, 9] as const };
    const model = createSwin(wide);
    expect(model.evaluation({ batch: 1, granularity: 'block', branchScale: 1 }).graph.nodes.length).toBeGreaterThan(0);
    expect(() => checkWindow(wide)).toThrow('model.window must be at most the image of 8x8 patches, got 9x9');
  });
});
