// Every formulation against the float64 interpreter, on shapes that are awkward: odd strides, unequal pads, images that strides do not
// divide, kernels up to 7. Formulations of custom operators are written, and checked by shape alone.

import { describe, expect, it } from 'vitest';
import { createModel } from '../../models/index.ts';
import { relativeError } from '../../testing/arrays.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomFeeds } from '../../testing/randomFeeds.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import { GraphBuilder, type Graph } from '../graph.ts';
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
  const image = (name: string) => g.input(name, 'float32', [3, 4, 5, 2]);
  const channel = (name: string) => g.input(name, 'float32', [4]);
  const x = image('x');
  const { y, mean, variance } = batchNormTraining(g, x, channel('scale'), channel('bias'), 1e-5);
  const gradient = () =>
    g.add(BatchNormalizationGradient, [image('dy'), x, g.inputNamed('scale'), mean, variance], { epsilon: 1e-5 });
  const outputs = operator === 'BatchNormalization' ? [y, mean, variance] : gradient();
  outputs.forEach((value, i) => g.output(`y${i}`, value));
  return verify(g.build());
}

async function expectRight(graph: Graph, operator: FormulatedOperator, formulation: Formulation): Promise<void> {
  const feeds = randomFeeds(graph, 5);
  const expected = interpret(graph, feeds);
  const lowered = verify(lower(graph, 'cuda', { formulations: { [operator]: formulation } }));
  const actual = await runOnnx(lowered, feeds);
  for (const { name } of graph.outputs)
    expect(relativeError(actual.get(name)!.data, expected.get(name)!.data), name).toBeLessThan(2e-6);
}
