// Reductions over listed axes but the sum (broadcast.ts).

import { add1, sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { reduction, spread } from './broadcast.ts';
import { div } from './elementwise.ts';

export const ReduceMean = reduction(
  'ReduceMean',
  ({ g, inputs, outputs, attributes, outputGradients }) => {
    const count = sizeOf(inputs[0]!.shape) / sizeOf(outputs[0]!.shape);
    return [spread(g, div(g, outputGradients[0]!, g.scalar(count)), inputs[0]!, attributes.axes)];
  },
  18,
);

export const ReduceMax = reduction('ReduceMax', 'used only as a shift whose gradient cancels (log-sum-exp)', 18);

export const reduceMean = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  add1(g, ReduceMean, [x], { axes, keepdims: keepdims ? 1 : 0 });
export const reduceMax = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  add1(g, ReduceMax, [x], { axes, keepdims: keepdims ? 1 : 0 });

export const reductionOps = { ReduceMean, ReduceMax };
