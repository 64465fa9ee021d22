// Softmax over the last axis.

import { add1, shapeError, sizeOf, type Attributes, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { mul, sub } from './elementwise.ts';
import { reduceSum } from './reduction.ts';

export const Softmax: Op<{ axis: number }> = {
  type: 'Softmax',
  kind: 'onnx',
  memory: 'elementwise',
  infer(inputs, { axis }) {
    const { dtype, shape } = inputs[0]!;
    if (axis !== -1 || shape.length === 0) throw shapeError('Softmax', 'works on the last axis', inputs, { axis });
    return [{ dtype, shape }];
  },
  flops: ({ inputs }) => 5 * sizeOf(inputs[0]!.shape),
  /** dx = y (dy - sum(dy y)). */
  gradient({ g, outputs, outputGradients }) {
    const [y, dy] = [outputs[0]!, outputGradients[0]!];
    const sum = reduceSum(g, mul(g, dy, y), [y.shape.length - 1], true);
    return [mul(g, y, sub(g, dy, sum))];
  },
};

export const softmax = (g: GraphBuilder, x: Value) => add1(g, Softmax, [x], { axis: -1 });

export const softmaxOps = [Softmax] as Op<Attributes>[];
