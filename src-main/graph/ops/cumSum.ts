// Sums of all entries up to each along an axis.

import { add1, shapeError, type GraphBuilder, type Op, type Value } from '../graph.ts';

/** Inputs: x, the axis (int64 []). */
export const CumSum: Op<Record<string, never>> = {
  type: 'CumSum',
  kind: 'onnx',
  notDifferentiable: 'counts tokens in graphs for inference',
  // Not all readers take ONNX's default of `reverse`.
  writtenBeside: () => ({ exclusive: 0, reverse: 0 }),
  infer(inputs) {
    const [x, axis] = inputs;
    if (axis?.dtype !== 'int64' || axis.shape.length !== 0) throw shapeError('CumSum', 'bad axis', inputs);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
};

export const cumSum = (g: GraphBuilder, x: Value, axis: number): Value =>
  add1(g, CumSum, [x, g.scalar(axis, 'int64')], {});

export const cumSumOps = { CumSum };
