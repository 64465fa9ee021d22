// Broadcasting of ONNX (as NumPy's): shapes align at the last axis, extents of 1 stretch. Expand and ReduceSum, each other's gradient.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type GradientContext,
  type GraphBuilder,
  type Op,
  type Shape,
  type TensorType,
  type Value,
} from '../graph.ts';
import { reshape } from './reshape.ts';

/** Shape of an elementwise operation over the inputs. */
export function broadcastShape(op: string, inputs: readonly Value[]): number[] {
  const rank = Math.max(...inputs.map((v) => v.shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = inputs.map((v) => v.shape[axis - rank + v.shape.length] ?? 1);
    const stretched = extents.find((extent) => extent !== 1) ?? 1;
    if (extents.some((extent) => extent !== 1 && extent !== stretched))
      throw shapeError(op, 'shapes do not broadcast', inputs);
    return stretched;
  });
}

/** Sums a gradient over the axes along which an operand of `shape` was stretched. */
export function unbroadcast(g: GraphBuilder, gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((extent, axis) =>
    axis < lead || (shape[axis - lead] === 1 && extent !== 1) ? [axis] : [],
  );
  const summed = reduceSum(g, gradient, axes, false);
  return sameShape(summed.shape, shape) ? summed : reshape(g, summed, shape);
}

export const Expand: Op<{ shape: readonly number[] }> = {
  type: 'Expand',
  kind: 'onnx',
  attributeInputs: ['shape'],
  flops: () => 0,
  infer(inputs, { shape }) {
    const x = inputs[0]!;
    const lead = shape.length - x.shape.length;
    if (x.shape.some((extent, axis) => extent !== 1 && extent !== shape[axis + lead]))
      throw shapeError('Expand', 'does not stretch', inputs, { shape });
    return [{ dtype: x.dtype, shape }];
  },
  refetched: true,
  gradient: ({ g, inputs, outputGradients }) => [unbroadcast(g, outputGradients[0]!, inputs[0]!.shape)],
};

/** `keepdims`: 1 keeps reduced axes with extent 1. */
type ReduceAttributes = { axes: readonly number[]; keepdims: number };

function reducedShape(shape: Shape, axes: readonly number[], keepdims: boolean): number[] {
  return shape.flatMap((extent, axis) => (axes.includes(axis) ? (keepdims ? [1] : []) : [extent]));
}

/** Stretches the gradient of a reduction back over the reduced axes. */
export function spread(g: GraphBuilder, gradient: Value, x: TensorType, axes: readonly number[]): Value {
  const kept = reducedShape(x.shape, axes, true);
  return expand(g, reshape(g, gradient, kept), x.shape);
}

export function reduction(
  type: string,
  gradient: ((context: GradientContext<ReduceAttributes>) => (Value | null)[]) | string,
  attributeInputsSince: number,
): Op<ReduceAttributes> {
  return {
    type,
    kind: 'onnx',
    attributeInputs: ['axes'],
    attributeInputsSince,
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

export const ReduceSum = reduction(
  'ReduceSum',
  ({ g, inputs, attributes, outputGradients }) => [spread(g, outputGradients[0]!, inputs[0]!, attributes.axes)],
  13,
);

export const expand = (g: GraphBuilder, x: Value, shape: Shape) =>
  sameShape(x.shape, shape) ? x : add1(g, Expand, [x], { shape });
export const reduceSum = (g: GraphBuilder, x: Value, axes: readonly number[], keepdims: boolean) =>
  axes.length === 0 ? x : add1(g, ReduceSum, [x], { axes, keepdims: keepdims ? 1 : 0 });

export const broadcastOps = { Expand, ReduceSum };
