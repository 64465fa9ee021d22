// Reductions over listed axes.

import {
  add1,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type Shape,
  type Value,
} from '../graph.ts';
import { expand, reshape } from './movement.ts';
import { div } from './elementwise.ts';

/** `keepdims`: 1 keeps reduced axes with extent 1. */
type ReduceAttributes = { axes: readonly number[]; keepdims: number };

export function reducedShape(shape: Shape, axes: readonly number[], keepdims: boolean): number[] {
  return shape.flatMap((extent, axis) => (axes.includes(axis) ? (keepdims ? [1] : []) : [extent]));
}

/** Stretches the gradient of a reduction back over the reduced axes. */
function spread(g: GraphBuilder, gradient: Value, x: Value, axes: readonly number[]): Value {
  const kept = reducedShape(x.shape, axes, true);
  return expand(g, reshape(g, gradient, kept), x.shape);
}

function reduction(
  type: string,
  gradient: NonNullable<Op<ReduceAttributes>['gradient']> | string,
): Op<ReduceAttributes> {
  return {
    type,
    kind: 'onnx',
    attributeInputs: ['axes'],
    infer(inputs, { axes, keepdims }) {
      const x = inputs[0]!;
      if (axes.length === 0 || axes.some((axis) => axis < 0 || axis >= x.shape.length))
        throw shapeError(type, 'bad axes', inputs, { axes });
      return [{ dtype: x.dtype, shape: reducedShape(x.shape, axes, keepdims === 1) }];
    },
    flops: (node) => sizeOf(node.inputs[0]!.shape),
    ...(typeof gradient === 'string' ? { notDifferentiable: gradient } : { gradient }),
  };
}

export const ReduceSum = reduction('ReduceSum', ({ g, inputs, attributes, outputGradients }) => [
  spread(g, outputGradients[0]!, inputs[0]!, attributes.axes),
]);

export const ReduceMean = reduction('ReduceMean', ({ g, inputs, outputs, attributes, outputGradients }) => {
  const count = sizeOf(inputs[0]!.shape) / sizeOf(outputs[0]!.shape);
  return [spread(g, div(g, outputGradients[0]!, g.scalar(count)), inputs[0]!, attributes.axes)];
});

export const ReduceMax = reduction('ReduceMax', 'used only as a shift whose gradient cancels (log-sum-exp)');

export const reduceSum = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  axes.length === 0 ? x : add1(g, ReduceSum, [x], { axes, keepdims: keepdims ? 1 : 0 });
export const reduceMean = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  add1(g, ReduceMean, [x], { axes, keepdims: keepdims ? 1 : 0 });
export const reduceMax = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  add1(g, ReduceMax, [x], { axes, keepdims: keepdims ? 1 : 0 });

export const reductionOps = [ReduceSum, ReduceMean, ReduceMax] as Op<Attributes>[];
