import { describe, expect, it } from 'vitest';
import { graphFlops } from '../../graph/flops.ts';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource } from '../../testing/random.ts';
import { randomFeeds } from '../../testing/randomFeeds.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import type { Held, ModelDefinition, TrainingOptions } from '../../models/model.ts';
import type { ResNetSpec } from './config.ts';
import { createResNet } from './model.ts';

const tolerance = 1e-4;

const everything = (model: ModelDefinition): Held => ({ blocks: model.blocks, neurons: {} });

describe('other sizes', () => {
  const stages = { layers: [1, 2], width: 3, classes: 4 };

  it.each<[string, ResNetSpec, Partial<TrainingOptions>]>([
    ['a CIFAR stem at odd extents', { ...stages, stem: 'cifar', channels: 1, image: [7, 5] }, {}],
    ['an ImageNet stem', { ...stages, stem: 'imagenet', channels: 2, image: [22, 19] }, {}],
    [
      'three stages and an odd batch',
      { ...stages, layers: [1, 1, 1], stem: 'cifar', channels: 3, image: [10, 10] },
      { batch: 3 },
    ],
    ['no block held', { ...stages, stem: 'cifar', channels: 1, image: [6, 6] }, { held: { blocks: [], neurons: {} } }],
    [
      'a group of which nothing is held',
      { ...stages, stem: 'cifar', channels: 1, image: [6, 6] },
      {
        granularity: 'neuron',
        held: { blocks: [], neurons: { 'layer1.0/channels': [], 'layer2.0/channels': [0, 1, 5] } },
      },
    ],
  ])('give gradients that match finite differences and ONNX Runtime: %s', async (_, spec, options) => {
    const model = createResNet(spec);
    const built = model.training({
      batch: 2,
      granularity: 'block',
      masking: 'forward',
      held: everything(model),
      ...options,
    });
    const feeds = randomFeeds(built, spec.classes);
    expect(slopeError(built.graph, feeds, randomSource(3))).toBeLessThan(1e-4);
    const expected = interpret(built.graph, feeds);
    for (const [name, value] of await runOnnx(built.graph, feeds)) {
      expect(relativeError(value.data, expected.get(name)!.data), name).toBeLessThan(tolerance);
    }
  });

  it('names no port of what is not held under forward masking', () => {
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: [6, 6] });
    const held = { blocks: [], neurons: { 'layer1.0/channels': [], 'layer2.0/channels': [0, 1, 5] } };
    const built = model.training({ batch: 2, granularity: 'neuron', masking: 'forward', held });
    const ports = new Map([...built.inputs, ...built.outputs].map((port) => [port.port, port]));
    expect(ports.has('layer1.0.conv1.weight')).toBe(false);
    expect(ports.get('layer1.0.bn2.weight')).toMatchObject({ rows: null, shape: [3] });
    expect(ports.get('layer2.0.conv2.weight')).toMatchObject({ rows: [0, 1, 5], shape: [3, 6, 3, 3] });
    expect(ports.get('grad/layer2.0.conv1.weight')).toMatchObject({ rows: [0, 1, 5], shape: [3, 3, 3, 3] });
    expect(ports.get('stat/layer2.0.bn1.running_var')).toMatchObject({ rows: [0, 1, 5], shape: [3] });
  });

  it('computes weight gradients of held units only under backward masking', () => {
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: [6, 6] });
    const half = { blocks: [], neurons: { 'layer2.0/channels': [0, 2, 5], 'layer2.1/channels': [3, 4, 5] } };
    const of = (options: Partial<TrainingOptions>) =>
      model.training({ batch: 2, granularity: 'neuron', masking: 'backward', held: everything(model), ...options });
    expect(graphFlops(of({ held: half }).graph)).toBeLessThan(graphFlops(of({}).graph));
    const blocks = of({ granularity: 'block', held: { blocks: ['layer2.1'], neurons: {} } });
    expect(blocks.outputs.map((port) => port.tensor)).not.toContain('layer2.0.conv1.weight');
    expect(blocks.graph.nodes.filter((n) => n.scope === 'layer2.0.conv1').length).toBeGreaterThan(0);
  });

  it('refuses a batch with one value per channel', () => {
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: [2, 2] });
    expect(() =>
      model.training({ batch: 1, granularity: 'block', masking: 'forward', held: everything(model) }),
    ).toThrow('batch normalisation needs more than one value per channel');
  });
});

describe('statistics, evaluation and inference', () => {
  const spec: ResNetSpec = { layers: [1, 1], width: 3, stem: 'cifar', channels: 1, image: [6, 6], classes: 4 };
  const model = createResNet(spec);
  const full = { batch: 4, granularity: 'block', branchScale: 1 } as const;

  it('moves running statistics by a tenth towards those of the batch', async () => {
    const training = model.training({ batch: 4, granularity: 'block', masking: 'forward', held: everything(model) });
    const feeds = randomFeeds(training, spec.classes);
    const [stepped, batch] = [await runOnnx(training.graph, feeds), await runOnnx(model.statistics(full).graph, feeds)];
    for (const [port, { data }] of batch) {
      const running = feeds.get(port.slice('stat/'.length))!.data;
      const expected = Array.from(data, (value, i) => 0.9 * running[i]! + 0.1 * value);
      expect(relativeError(stepped.get(port)!.data, expected), port).toBeLessThan(1e-5);
    }
    expect(batch.size).toBe(model.tensors.filter((t) => t.kind === 'buffer').length);
  });

  it('scales residual branches, and counts no loss where the label is negative', async () => {
    const built = model.evaluation({ ...full, branchScale: 0.5 });
    const feeds = randomFeeds(built, spec.classes);
    feeds.set('label', { shape: [4], data: [1, -1, 3, -1] });
    const scaled = new Map(feeds);
    for (const name of model.branchOutputs) {
      scaled.set(name, { shape: feeds.get(name)!.shape, data: Array.from(feeds.get(name)!.data, (x) => x / 2) });
    }
    const results = await runOnnx(built.graph, feeds);
    const expected = await runOnnx(model.evaluation(full).graph, scaled);
    expect(relativeError(results.get('logits')!.data, expected.get('logits')!.data)).toBeLessThan(1e-5);
    const loss = Array.from(results.get('loss')!.data);
    expect([loss[1], loss[3]]).toEqual([0, 0]);
    expect(Math.min(loss[0]!, loss[2]!)).toBeGreaterThan(0);
  });

  it('infers what it evaluates', async () => {
    const evaluation = model.evaluation({ ...full, batch: 1 });
    const feeds = randomFeeds(evaluation, spec.classes);
    const [inferred, evaluated] = [
      await runOnnx(model.inference().graph, feeds),
      await runOnnx(evaluation.graph, feeds),
    ];
    expect(relativeError(inferred.get('logits')!.data, evaluated.get('logits')!.data)).toBeLessThan(1e-5);
  });
});

describe('tensors', () => {
  it('are those of torchvision, with its initialisation', () => {
    const { tensors } = createResNet({
      layers: [2, 2, 2, 2],
      width: 64,
      stem: 'imagenet',
      channels: 3,
      image: [224, 224],
      classes: 1000,
    });
    const count = (kind: string) =>
      tensors.filter((t) => t.kind === kind).reduce((sum, t) => sum + t.shape.reduce((a, b) => a * b, 1), 0);
    expect([count('parameter'), count('buffer')]).toEqual([11689512, 9600]);
    expect(tensors.find((t) => t.name === 'layer2.0.conv1.weight')).toEqual({
      name: 'layer2.0.conv1.weight',
      kind: 'parameter',
      shape: [128, 64, 3, 3],
      init: { kind: 'normal', std: Math.sqrt(2 / (128 * 9)) },
      block: 'layer2.0',
      neurons: { group: 'layer2.0/channels', axis: 0 },
    });
    expect(tensors.slice(0, 3).map((t) => t.name)).toEqual(['conv1.weight', 'bn1.weight', 'bn1.bias']);
  });
});
