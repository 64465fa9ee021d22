// Every formulation against the float64 interpreter, on shapes that are awkward: odd strides, unequal pads, images that strides do not
// divide, kernels up to 7. Formulations of custom operators are written, and checked by shape alone.

import { describe, expect, it } from 'vitest';
import { createModel } from '../../families/models.ts';
import { relativeError } from '../../testing/arrays.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import { GraphBuilder, type Graph, type Value } from '../graph.ts';
import { decodeOnnx, toOnnx } from '../onnx.ts';
import { convExtent, ConvInputGradient, ConvWeightGradient } from '../ops/conv.ts';
import { BatchNormalizationGradient, batchNormTraining } from '../ops/norm.ts';
import { verify } from '../verify.ts';
import measured from './cudaFormulations.json' with { type: 'json' };
import { chooseFormulation, formulationsOf, type Formulation, type FormulatedOperator } from './formulations.ts';
import { lower } from './lower.ts';
import { formulationGraph, formulationSubjects } from './timing.ts';

interface Geometry {
  image: [number, number];
  kernel: [number, number];
  strides: [number, number];
  pads: [number, number, number, number];
}

const geometries: Geometry[] = [
  { image: [6, 5], kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0] },
  { image: [7, 6], kernel: [1, 1], strides: [2, 2], pads: [0, 0, 0, 0] },
  { image: [6, 6], kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] },
  { image: [8, 8], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  { image: [7, 9], kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  { image: [5, 7], kernel: [2, 2], strides: [1, 1], pads: [0, 1, 1, 0] },
  { image: [8, 12], kernel: [4, 4], strides: [4, 4], pads: [0, 0, 0, 0] },
  { image: [10, 9], kernel: [4, 4], strides: [4, 4], pads: [0, 0, 0, 0] },
  { image: [11, 13], kernel: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3] },
  { image: [9, 8], kernel: [7, 3], strides: [3, 1], pads: [3, 0, 2, 2] },
  { image: [9, 7], kernel: [3, 2], strides: [2, 3], pads: [0, 1, 2, 0] },
  { image: [10, 10], kernel: [2, 2], strides: [3, 3], pads: [0, 0, 0, 0] },
];
const titleOf = ({ image, kernel, strides, pads }: Geometry) =>
  `image ${image.join('x')}, kernel ${kernel.join('x')}, strides ${strides.join()}, pads ${pads.join()}`;

type ConvOperator = 'ConvWeightGradient' | 'ConvInputGradient';

function gradientGraph(operator: ConvOperator, { image, kernel, strides, pads }: Geometry): Graph {
  const g = new GraphBuilder('test');
  const output = image.map((extent, i) => convExtent(extent, kernel[i]!, strides[i]!, pads[i]! + pads[i + 2]!));
  const dy = g.input('dy', 'float32', [2, 4, ...output]);
  const [gradient] =
    operator === 'ConvWeightGradient'
      ? g.add(ConvWeightGradient, [g.input('x', 'float32', [2, 3, ...image]), dy], { strides, pads, kernel })
      : g.add(ConvInputGradient, [dy, g.input('w', 'float32', [4, 3, ...kernel])], { strides, pads, image });
  g.output('y0', gradient!);
  return verify(g.build());
}

function normGraph(operator: 'BatchNormalization' | 'BatchNormalizationGradient'): Graph {
  const g = new GraphBuilder('test');
  const [x, dy] = ['x', 'dy'].map((name) => g.input(name, 'float32', [3, 4, 5, 2])) as [Value, Value];
  const [scale, bias] = ['scale', 'bias'].map((name) => g.input(name, 'float32', [4])) as [Value, Value];
  const { y, mean, variance } = batchNormTraining(g, x, scale, bias, 1e-5);
  const outputs =
    operator === 'BatchNormalization'
      ? [y, mean, variance]
      : g.add(BatchNormalizationGradient, [dy, x, scale, mean, variance], { epsilon: 1e-5 });
  outputs.forEach((value, i) => g.output(`y${i}`, value));
  return verify(g.build());
}

async function expectRight(graph: Graph, operator: FormulatedOperator, formulation: Formulation): Promise<void> {
  const random = randomSource(17);
  const feeds = new Map(graph.inputs.map(({ name, shape }) => [name, randomTensor(random, shape)]));
  const expected = interpret(graph, feeds);
  const lowered = verify(lower(graph, 'cuda', { formulations: { [operator]: formulation } }));
  const actual = await runOnnx(lowered, feeds);
  for (const { name } of graph.outputs)
    expect(relativeError(actual.get(name)!.data, expected.get(name)!.data), name).toBeLessThan(2e-6);
}

const custom: Formulation = 'cudnn';
const standard = <O extends FormulatedOperator>(operator: O) => formulationsOf(operator, { customOps: false });

describe.each(['ConvWeightGradient', 'ConvInputGradient'] as const)('%s', (operator) => {
  describe.each(standard(operator))('as %s', (formulation) => {
    it.each(geometries.map((geometry) => [titleOf(geometry), geometry] as const))('is right for %s', (_, geometry) =>
      expectRight(gradientGraph(operator, geometry), operator, formulation),
    );
  });
});

it.each(['BatchNormalization', 'BatchNormalizationGradient'] as const)('%s is right as spelled out', (operator) =>
  expectRight(normGraph(operator), operator, 'spelledOut'),
);

describe('rules', () => {
  const operators = Object.keys(measured.rules) as FormulatedOperator[];
  const shape = { channels: 64, pixels: 1024, stride: 1, taps: 9 };

  it('name formulations that exist, and end with a standard one for every shape', () => {
    for (const operator of operators) {
      const rules: { use: string }[] = measured.rules[operator];
      expect(formulationsOf(operator, { customOps: true })).toEqual(
        expect.arrayContaining(rules.map(({ use }) => use)),
      );
      expect(Object.keys(rules.at(-1)!)).toEqual(['use']);
      expect(standard(operator)).toContain(rules.at(-1)!.use);
    }
  });

  it('say shifted products for weight gradients but of few channels, and what is forced goes before', () => {
    expect(chooseFormulation('ConvWeightGradient', shape, {})).toBe('shifted');
    expect(chooseFormulation('ConvWeightGradient', { ...shape, channels: 3 }, {})).toBe('patches');
    expect(chooseFormulation('ConvInputGradient', shape, {})).toBe('convolution');
    expect(chooseFormulation('ConvInputGradient', { ...shape, stride: 2 }, {})).toBe('transposed');
    const formulations = { ConvWeightGradient: 'convolution3d' } as const;
    expect(chooseFormulation('ConvWeightGradient', shape, { formulations })).toBe('convolution3d');
  });
});

describe('graphs that time formulations', () => {
  const subjects = formulationSubjects();

  it('are written for every shape and formulation, with float32 inputs and one output per result', () => {
    for (const subject of subjects) {
      for (const formulation of formulationsOf(subject.operator, { customOps: true })) {
        const { graph } = decodeOnnx(formulationGraph(subject, formulation).onnx) as { graph: OnnxGraph };
        expect(new Set(graph.input.map((input) => input.type.tensor_type.elem_type))).toEqual(new Set([1]));
        expect(graph.output.length).toBe(subject.operator.startsWith('Conv') ? 1 : 3);
        expect(graph.node.filter(({ domain }) => domain === 'sdp.cudnn').length).toBe(formulation === custom ? 1 : 0);
      }
    }
  });

  it('have the shapes of the networks that they stand for', () => {
    const resnet = createModel({
      family: 'resnet',
      layers: [2, 2, 2, 2],
      width: 64,
      stem: 'cifar',
      channels: 3,
      image: [32, 32],
      classes: 10,
    });
    const { graph } = resnet.evaluation({ batch: 1, granularity: 'block', branchScale: 1, provider: 'cuda' });
    const shapes = graph.nodes
      .filter(({ op }) => op.type === 'Conv')
      .map(({ inputs: [x, w], attributes }) => [
        w!.shape[1],
        w!.shape[0],
        x!.shape[2],
        w!.shape[2],
        (attributes.strides as number[])[0],
      ]);
    const timed = subjects.flatMap(({ operator, title, geometry }) => {
      if (operator !== 'ConvWeightGradient' || !title.startsWith('ResNet-18')) return [];
      const { channels, filters, image, kernel, stride } = geometry;
      return [[channels, filters, image, kernel, stride]];
    });
    expect(new Set(timed.map(String))).toEqual(new Set(shapes.map(String)));
  });
});

describe('custom operators', () => {
  const cudnn = {
    ConvWeightGradient: custom,
    ConvInputGradient: custom,
    BatchNormalization: custom,
    BatchNormalizationGradient: custom,
  } as const;
  const geometry = geometries[4]!;

  it('are written with their domain, its version, and the attributes of the geometry', () => {
    const graph = lower(gradientGraph('ConvWeightGradient', geometry), 'cuda', { formulations: cudnn });
    const { opset_import, graph: written } = decodeOnnx(toOnnx(graph)) as {
      opset_import: object[];
      graph: OnnxGraph;
    };
    expect(opset_import).toEqual([
      { domain: '', version: 18 },
      { domain: 'sdp.cudnn', version: 1 },
    ]);
    const [node] = written.node;
    expect(node).toMatchObject({ op_type: 'ConvWeightGradient', domain: 'sdp.cudnn', input: ['x', 'dy'] });
    expect(Object.fromEntries(node!.attribute.map(({ name, ints }) => [name, ints]))).toEqual({
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      kernel: [3, 3],
    });
  });

  it('take the place of BatchNorm in training and of its gradient, with epsilon as a float', () => {
    const graph = lower(normGraph('BatchNormalizationGradient'), 'cuda', { formulations: cudnn });
    const { graph: written } = decodeOnnx(toOnnx(graph)) as { graph: OnnxGraph };
    expect(
      written.node.map(({ op_type, domain, input, output }) => [op_type, domain, input.length, output.length]),
    ).toEqual([
      ['BatchNormalization', 'sdp.cudnn', 3, 3],
      ['BatchNormalizationGradient', 'sdp.cudnn', 5, 3],
    ]);
    expect(written.node.map(({ attribute }) => attribute.map(({ name, f }) => [name, f]))).toEqual([
      [['epsilon', Math.fround(1e-5)]],
      [['epsilon', Math.fround(1e-5)]],
    ]);
  });
});

interface OnnxGraph {
  node: {
    op_type: string;
    domain?: string;
    input: string[];
    output: string[];
    attribute: { name: string; f?: number; ints: number[] }[];
  }[];
  input: { type: { tensor_type: { elem_type: number } } }[];
  output: object[];
}
