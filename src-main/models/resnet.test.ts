// ResNet graphs in ONNX Runtime against the reference cases: losses and averaged gradients of step 0, statistics, evaluation loss.

import { describe, expect, it } from 'vitest';
import { graphFlops } from '../graph/flops.ts';
import { axisFirst, relativeError, takeRows } from '../testing/arrays.ts';
import { readCase, type ReferenceCase } from '../testing/cases.ts';
import { slopeError } from '../testing/finiteDifferences.ts';
import { interpret } from '../testing/interpreter.ts';
import { randomSource, randomTensor } from '../testing/random.ts';
import { runOnnx, type TestTensor } from '../testing/runOnnx.ts';
import {
  storeAxis,
  type Granularity,
  type Held,
  type ModelDefinition,
  type ModelGraph,
  type TrainingOptions,
} from './model.ts';
import { createResNet, resnetPresets, type ResNetSpec } from './resnet.ts';

const names = [
  'resnet-ddp',
  'resnet-block-forward',
  'resnet-block-backward',
  'resnet-neuron-forward',
  'resnet-neuron-backward',
];
const tolerance = 1e-4;

/** Values of a graph's ports, from tensors in library layout. */
function portFeeds(
  model: ModelDefinition,
  granularity: Granularity,
  graph: ModelGraph,
  values: Map<string, TestTensor>,
) {
  return graph.inputs.map(({ port, tensor, rows }): [string, TestTensor] => {
    const axis = storeAxis(
      model.tensors.find((t) => t.name === tensor)!,
      granularity,
    );
    const stored = axis === null ? values.get(tensor)! : axisFirst(values.get(tensor)!, axis);
    return [port, rows ? takeRows(stored, rows) : stored];
  });
}

/** Mean over holders of what the workers output for each tensor, in store layout. */
class Average {
  private readonly sums = new Map<string, { sum: Float64Array; holders: Float64Array }>();

  add(name: string, rows: number[] | null, numRows: number, value: TestTensor): void {
    const rowSize = value.data.length / (rows?.length ?? numRows);
    const entry = this.sums.get(name) ?? {
      sum: new Float64Array(numRows * rowSize),
      holders: new Float64Array(numRows * rowSize),
    };
    this.sums.set(name, entry);
    for (let i = 0; i < value.data.length; i++) {
      const row = Math.floor(i / rowSize);
      const at = (rows ? rows[row]! : row) * rowSize + (i % rowSize);
      entry.sum[at]! += value.data[i]!;
      entry.holders[at]! += 1;
    }
  }

  mean(name: string): Float64Array {
    const { sum, holders } = this.sums.get(name)!;
    return sum.map((s, i) => s / holders[i]!);
  }

  names(): string[] {
    return [...this.sums.keys()];
  }
}

async function firstStep(
  reference: ReferenceCase,
): Promise<{ losses: number[]; average: Average; model: ModelDefinition }> {
  const { masks, batch } = reference;
  const model = createResNet(reference.model);
  const average = new Average();
  const losses: number[] = [];
  for (const [worker, held] of masks.held.entries()) {
    const built = model.training({ batch, granularity: masks.granularity, masking: masks.masking, held });
    const feeds = new Map(portFeeds(model, masks.granularity, built, reference.init));
    feeds.set('input', reference.batches.get(`step0.worker${worker}.input`)!);
    feeds.set('label', reference.batches.get(`step0.worker${worker}.label`)!);
    const results = await runOnnx(built.graph, feeds);
    losses.push(results.get('loss')!.data[0]!);
    for (const { port, tensor, rows, shape } of built.outputs) {
      const spec = model.tensors.find((t) => t.name === tensor)!;
      const axis = storeAxis(spec, masks.granularity);
      expect(results.get(port)!.shape).toEqual(shape);
      average.add(port, rows, axis === null ? (rows?.length ?? shape[0]!) : spec.shape[axis]!, results.get(port)!);
    }
  }
  return { losses, average, model };
}

describe.each(names)('%s', (name) => {
  it('gives the losses and the averaged gradient of the reference at step 0', async () => {
    const reference = await readCase(name);
    const { losses, average, model } = await firstStep(reference);
    expect(relativeError(losses, reference.losses[0]!)).toBeLessThan(tolerance);
    const errors = model.tensors
      .filter((spec) => spec.kind === 'parameter')
      .map((spec) => {
        const axis = storeAxis(spec, reference.masks.granularity);
        const expected = reference.expect.get(`grad0/${spec.name}`)!;
        const error = relativeError(
          average.mean(`grad/${spec.name}`),
          axis === null ? expected.data : axisFirst(expected, axis).data,
        );
        return [spec.name, error] as const;
      });
    expect(errors.filter(([, error]) => !(error < tolerance))).toEqual([]);
  });

  it('gives the evaluation loss of the reference for its final weights', async () => {
    const reference = await readCase(name);
    const { granularity } = reference.masks;
    const model = createResNet(reference.model);
    const built = model.evaluation({ batch: reference.batch, granularity, branchScale: 1 });
    const final = new Map(
      [...reference.expect].filter(([k]) => k.startsWith('final/')).map(([k, v]) => [k.slice(6), v]),
    );
    const feeds = new Map(portFeeds(model, granularity, built, final));
    feeds.set('input', reference.batches.get('step0.worker0.input')!);
    feeds.set('label', reference.batches.get('step0.worker0.label')!);
    const results = await runOnnx(built.graph, feeds);
    const loss = Array.from(results.get('loss')!.data).reduce((a, b) => a + b, 0) / reference.batch;
    expect(Math.abs(loss / reference.evaluationLoss - 1)).toBeLessThan(tolerance);
  });
});

/** Values for a training graph: random, but for variances (positive) and labels. */
function randomFeeds(built: ModelGraph, classes: number): Map<string, TestTensor> {
  const random = randomSource(17);
  return new Map(
    built.graph.inputs.map(({ name, shape, dtype }) => {
      const { data } = randomTensor(random, shape);
      if (dtype === 'int64') return [name, { shape, data: Array.from(data, () => Math.floor(random() * classes)) }];
      return [name, { shape, data: name.endsWith('running_var') ? Array.from(data, Math.abs) : data }];
    }),
  );
}

const everything = (model: ModelDefinition): Held => ({ blocks: model.blocks, neurons: {} });

describe('other sizes', () => {
  const stages = { layers: [1, 2], width: 3, classes: 4 } as const;

  it.each<[string, ResNetSpec, Partial<TrainingOptions>]>([
    ['a CIFAR stem at odd extents', { ...stages, stem: 'cifar', channels: 1, image: [7, 5] }, {}],
    ['an ImageNet stem', { ...stages, stem: 'imagenet', channels: 2, image: [22, 19] }, {}],
    [
      'three stages and an odd batch',
      { ...stages, layers: [1, 1, 1], stem: 'cifar', channels: 3, image: 10 },
      { batch: 3 },
    ],
    ['no block held', { ...stages, stem: 'cifar', channels: 1, image: 6 }, { held: { blocks: [], neurons: {} } }],
    [
      'a group of which nothing is held',
      { ...stages, stem: 'cifar', channels: 1, image: 6 },
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
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: 6 });
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
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: 6 });
    const half = { blocks: [], neurons: { 'layer2.0/channels': [0, 2, 5], 'layer2.1/channels': [3, 4, 5] } };
    const of = (options: Partial<TrainingOptions>) =>
      model.training({ batch: 2, granularity: 'neuron', masking: 'backward', held: everything(model), ...options });
    expect(graphFlops(of({ held: half }).graph)).toBeLessThan(graphFlops(of({}).graph));
    const blocks = of({ granularity: 'block', held: { blocks: ['layer2.1'], neurons: {} } });
    expect(blocks.outputs.map((port) => port.tensor)).not.toContain('layer2.0.conv1.weight');
    expect(blocks.graph.nodes.filter((n) => n.scope === 'layer2.0.conv1').length).toBeGreaterThan(0);
  });

  it('refuses a batch with one value per channel', () => {
    const model = createResNet({ ...stages, stem: 'cifar', channels: 1, image: 2 });
    expect(() =>
      model.training({ batch: 1, granularity: 'block', masking: 'forward', held: everything(model) }),
    ).toThrow('batch normalisation needs more than one value per channel');
  });
});

describe('statistics, evaluation and inference', () => {
  const spec: ResNetSpec = { layers: [1, 1], width: 3, stem: 'cifar', channels: 1, image: 6, classes: 4 };
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
      layers: resnetPresets.resnet18,
      width: 64,
      stem: 'imagenet',
      channels: 3,
      image: 224,
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
