// Softmax over the last axis and its logarithm.

import { add1, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { exp, mul, sub } from './elementwise.ts';
import { reduceSum } from './broadcast.ts';

/** ONNX counts a negative axis from the end; only the last axis is used here. */
type SoftmaxAttributes = { axis: -1 };

function softmaxLike(type: string, gradient: (g: GraphBuilder, dy: Value, y: Value) => Value): Op<SoftmaxAttributes> {
  return {
    type,
    kind: 'onnx',
    infer(inputs) {
      const x = inputs[0]!;
      if (inputs.length !== 1 || x.shape.length === 0) throw shapeError(type, 'takes one operand with axes', inputs);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    flops: ({ outputs }) => 4 * sizeOf(outputs[0]!.shape),
    saves: { outputs: [0] },
    gradient: ({ g, saved: [y], outputGradients }) => [gradient(g, outputGradients[0]!, y!)],
  };
}

const sumLast = (g: GraphBuilder, x: Value) => reduceSum(g, x, [x.shape.length - 1], true);

/** dx = y (dy - sum(dy y)). */
export const Softmax = softmaxLike('Softmax', (g, dy, y) => mul(g, y, sub(g, dy, sumLast(g, mul(g, dy, y)))));
/** dx = dy - exp(y) sum(dy). */
export const LogSoftmax = softmaxLike('LogSoftmax', (g, dy, y) => sub(g, dy, mul(g, exp(g, y), sumLast(g, dy))));

export const softmax = (g: GraphBuilder, x: Value) => add1(g, Softmax, [x], { axis: -1 });
export const logSoftmax = (g: GraphBuilder, x: Value) => add1(g, LogSoftmax, [x], { axis: -1 });

export const softmaxOps = { Softmax, LogSoftmax };
