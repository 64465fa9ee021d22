// Options of training graphs that are the same for all families: what they add to a graph, and that gradients are what they must be.

import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../families/configs.ts';
import { liveness } from '../graph/liveness.ts';
import { randomSource, randomTensor } from '../testing/random.ts';
import { runOnnx, type TestTensor } from '../testing/runOnnx.ts';
import { createModel } from '../families/models.ts';
import { trainingGraph } from './training.ts';
import type { Granularity, Held, Masking, ModelDefinition, ModelGraph, TrainingOptions } from './model.ts';

const spec: ModelSpec = {
  family: 'resnet',
  layers: [1, 2],
  width: 4,
  stem: 'cifar',
  channels: 2,
  image: [8, 8],
  classes: 5,
};
const swin: ModelSpec = {
  family: 'swin',
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
const llama: ModelSpec = {
  family: 'llama',
  vocab: 7,
  hidden: 8,
  ff: 6,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  seq: 5,
  tied: true,
};
const batch = 6;

const whole = (of: ModelDefinition): Held => ({ blocks: of.blocks, neurons: {} });
/** All blocks but the second, and every other unit of each group. */
const some = (of: ModelDefinition): Held => ({
  blocks: of.blocks.filter((_, index) => index !== 1),
  neurons: Object.fromEntries(of.groups.map(({ id, size }) => [id, Array.from({ length: size / 2 }, (_, i) => 2 * i)])),
});

const model = createModel(spec);
const training = (options: Partial<TrainingOptions> = {}, of = model): ModelGraph =>
  of.training({ batch, granularity: 'block', masking: 'forward', held: whole(of), ...options });

/** The same numbers for the same name; factors and accumulated gradients as given. */
function feedsOf({ graph }: ModelGraph, given: (port: string, size: number) => number[] | undefined = () => undefined) {
  return new Map(
    graph.inputs.map((input): [string, TestTensor] => {
      const seed = [...input.name].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 2 ** 31, 7);
      const random = randomTensor(randomSource(seed), input.shape);
      const size = random.data.length;
      const data = given(input.name, size) ?? Array.from(random.data);
      if (input.dtype === 'int64') return [input.name, { shape: input.shape, data: data.map((_, i) => (3 * i) % 5) }];
      return [input.name, { shape: input.shape, data: input.name.endsWith('var') ? data.map(Math.abs) : data }];
    }),
  );
}

/** Every other sample or feature is dropped. */
const halves = (port: string, size: number) =>
  /^(depth|dropout)/.test(port) ? Array.from({ length: size }, (_, i) => 2 * (i % 2)) : undefined;
const ones = (port: string, size: number) =>
  /^(depth|dropout)/.test(port) ? new Array<number>(size).fill(1) : undefined;

describe('draws', () => {
  it('drop block l of L with p l / L, sample by sample, and every feature with the same p', () => {
    const { draws } = training({ dropout: 0.3, stochasticDepth: 0.6 });
    expect(draws).toEqual([
      { key: 'stochasticDepth', port: 'depth/layer1.0/0', index: 1, drop: 0.6 / 3, shape: [batch, 1, 1, 1] },
      { key: 'stochasticDepth', port: 'depth/layer2.0/0', index: 9, drop: (0.6 * 2) / 3, shape: [batch, 1, 1, 1] },
      { key: 'stochasticDepth', port: 'depth/layer2.1/0', index: 17, drop: 0.6, shape: [batch, 1, 1, 1] },
      { key: 'dropout', port: 'dropout', index: 0, drop: 0.3, shape: [batch, 8] },
    ]);
    expect(training().draws).toEqual([]);
  });

  it('are the same for the blocks that a subnetwork holds', () => {
    const { draws } = training({ stochasticDepth: 0.6, held: some(model) });
    expect(draws!.map(({ port, index }) => [port, index])).toEqual([
      ['depth/layer1.0/0', 1],
      ['depth/layer2.1/0', 17],
    ]);
  });

  it.each([swin, llama])('drop both branches of a block apart from each other ($family)', (of) => {
    const { draws, graph } = training({ dropout: 0.3, stochasticDepth: 0.6 }, createModel(of));
    const depth = draws!.filter(({ key }) => key === 'stochasticDepth');
    expect(depth.map(({ index }) => index)).toEqual([1, 2, 9, 10, 17, 18]);
    expect(depth.map(({ drop }) => drop)).toEqual([1, 1, 2, 2, 3, 3].map((block) => (0.6 * block) / 3));
    expect(
      draws!.every(({ port, shape }) => graph.inputs.some((input) => input.name === port && shape[0] === batch)),
    ).toBe(true);
  });

  it('change nothing where nothing is dropped', async () => {
    const dropping = training({ dropout: 0.3, stochasticDepth: 0.6 });
    const plain = await runOnnx(training().graph, feedsOf(training()));
    expect(await runOnnx(dropping.graph, feedsOf(dropping, ones))).toEqual(plain);
  });

  it('leave no gradient to a branch that is dropped for all samples, and are not in other graphs', async () => {
    const dropping = training({ stochasticDepth: 0.6 });
    const given = (port: string, size: number) =>
      port === 'depth/layer2.1/0' ? new Array<number>(size).fill(0) : ones(port, size);
    const outputs = await runOnnx(dropping.graph, feedsOf(dropping, given));
    const largest = (name: string) => Math.max(...Array.from(outputs.get(`grad/${name}`)!.data, Math.abs));
    expect(largest('layer2.1.conv1.weight')).toBe(0);
    expect(largest('layer2.0.conv1.weight')).toBeGreaterThan(0);
    const evaluation = model.evaluation({ batch, granularity: 'block', branchScale: 1 });
    expect(evaluation.graph.inputs.filter(({ name }) => /^(depth|dropout)/.test(name))).toEqual([]);
  });
});

const regimes: [Granularity, Masking][] = [
  ['block', 'forward'],
  ['block', 'backward'],
  ['neuron', 'forward'],
  ['neuron', 'backward'],
];

const families = [spec, swin, llama].map((of) => [of.family, createModel(of)] as const);
const cases = families.flatMap(([family, of]) => regimes.map((regime) => [family, ...regime, of] as const));

describe.each(cases)('%s, %s-%s', (_, granularity, masking, of) => {
  const options = { granularity, masking, held: some(of), dropout: 0.2, stochasticDepth: 0.5 };

  it('has the same outputs bit for bit when blocks are recomputed', async () => {
    const [plain, recomputing] = [training(options, of), training({ ...options, recompute: true }, of)];
    const feeds = feedsOf(plain, halves);
    expect(recomputing.graph.nodes.length).toBeGreaterThan(plain.graph.nodes.length);
    expect(await runOnnx(recomputing.graph, feeds)).toEqual(await runOnnx(plain.graph, feeds));
  });

  it('adds gradients to those before, and reads statistics where they were left', async () => {
    const [plain, summing] = [training(options, of), training({ ...options, accumulate: true, recompute: true }, of)];
    const expected = await runOnnx(plain.graph, feedsOf(plain, ones));
    const outputs = await runOnnx(summing.graph, feedsOf(summing, ones));
    const carried = new Set(summing.carried!.map(({ port }) => port));
    for (const { port, tensor } of plain.outputs) {
      const before = port.startsWith('grad/') ? feedsOf(summing).get(`accumulated/${tensor}`)! : undefined;
      expect(carried.has(before ? `accumulated/${tensor}` : tensor)).toBe(true);
      const sum = Array.from(expected.get(port)!.data, (x, i) => Math.fround((before?.data[i] ?? 0) + x));
      const error = Math.max(...sum.map((x, i) => Math.abs(x - outputs.get(port)!.data[i]!)));
      expect(error, port).toBeLessThan(1e-5);
    }
    expect(summing.inputs.some(({ tensor }) => /running/.test(tensor))).toBe(false);
  });
});

/** The part of a batch that a micro-batch of the given extent takes. */
function partOf({ shape, data }: TestTensor, part: number, extent: number): TestTensor {
  const size = (extent * data.length) / shape[0]!;
  return { shape: [extent, ...shape.slice(1)], data: Array.from(data).slice(part * size, (part + 1) * size) };
}

/** Without BatchNorm, which normalises each micro-batch by itself. */
describe.each(cases.filter(([family]) => family !== 'resnet'))('%s, %s-%s', (_, granularity, masking, of) => {
  it('sums over micro-batches to the gradients of the whole batch', async () => {
    const options = { granularity, masking, held: some(of), dropout: 0.2, stochasticDepth: 0.5 };
    const [whole, summing] = [training(options, of), training({ ...options, batch: batch / 3, accumulate: true }, of)];
    const feeds = feedsOf(whole, halves);
    const expected = await runOnnx(whole.graph, feeds);
    let sums = new Map<string, TestTensor>();
    for (const part of [0, 1, 2]) {
      const partFeeds = summing.graph.inputs.map(({ name, shape }): [string, TestTensor] => {
        const data = new Float32Array(shape.reduce((size, extent) => size * extent, 1));
        if (name.startsWith('accumulated/'))
          return [name, sums.get(name.replace('accumulated', 'grad')) ?? { shape, data }];
        const feed = feeds.get(name)!;
        return [name, feed.shape[0] === shape[0] ? feed : partOf(feed, part, shape[0]!)];
      });
      sums = await runOnnx(summing.graph, new Map(partFeeds));
    }
    for (const { port } of whole.outputs) {
      const gradient = Array.from(expected.get(port)!.data);
      const error = Math.max(...gradient.map((x, i) => Math.abs(x - sums.get(port)!.data[i]! / 3)));
      expect(error, port).toBeLessThanOrEqual(1e-5 * Math.max(...gradient.map(Math.abs)) + 1e-7);
    }
  });
});

it.each<[string, ModelSpec]>([
  ['ResNet', { ...spec, layers: [6, 2], image: [12, 12] }],
  ['Swin Transformer', { ...swin, depths: [6, 2] }],
  ['LLaMA', { ...llama, layers: 8 }],
])('keeps less alive in a deep %s whose blocks are recomputed', (_, deepSpec) => {
  const deep = createModel(deepSpec);
  const peakBytes = (recompute: boolean) => liveness(training({ recompute }, deep).graph).peakBytes;
  expect(peakBytes(true)).toBeLessThan(0.5 * peakBytes(false));
});

it('says so where a family drops nothing', () => {
  const family = {
    ...model,
    training: (options: TrainingOptions) => ({ ...model.training(options), draws: undefined }),
  };
  const options = { batch, granularity: 'block', masking: 'forward', held: whole(model) } as const;
  expect(() => trainingGraph(family, { ...options, dropout: 0.5 })).toThrow(
    'training.dropout is not available for models of the family resnet',
  );
  expect(() => trainingGraph(family, options)).not.toThrow();
});
