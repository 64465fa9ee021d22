// Picking and scattering by index.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type Shape,
  type Value,
} from '../graph.ts';
import { slice } from './movement.ts';

/** Inputs: x, indices (int64, in range, none negative). Axis `axis` is replaced by the axes of the indices. */
export const Gather: Op<{ axis: number }> = {
  type: 'Gather',
  kind: 'onnx',
  flops: () => 0,
  infer(inputs, { axis }) {
    const [x, indices] = inputs;
    if (indices?.dtype !== 'int64' || axis < 0 || axis >= x!.shape.length)
      throw shapeError('Gather', 'bad indices or axis', inputs, { axis });
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices.shape, ...x!.shape.slice(axis + 1)] }];
  },
  gradient({ g, inputs, attributes: { axis }, outputGradients }) {
    const [x, indices] = inputs as [Value, Value];
    if (axis !== 0) throw shapeError('Gather', 'has a gradient along axis 0 only', inputs, { axis });
    return [add1(g, GatherGradient, [outputGradients[0]!, indices], { shape: x.shape }), null];
  },
};

/** Composite. Inputs: dy, indices of a Gather along axis 0. Output of the given shape: each row of dy added to the row that it came from. */
export const GatherGradient: Op<{ shape: Shape }> = {
  type: 'GatherGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, attributes) {
    const [dy, indices] = inputs;
    if (indices?.dtype !== 'int64' || !sameShape(dy!.shape, [...indices.shape, ...attributes.shape.slice(1)]))
      throw shapeError('GatherGradient', 'gradient and indices do not fit', inputs, attributes);
    return [{ dtype: dy!.dtype, shape: attributes.shape }];
  },
  flops: ({ inputs }) => sizeOf(inputs[0]!.shape),
};

/** Inputs: x, indices (int64, shape of the output): along `axis`, the entry of x at the index. */
export const GatherElements: Op<{ axis: number }> = {
  type: 'GatherElements',
  kind: 'onnx',
  flops: () => 0,
  notDifferentiable: 'used in lowered composites only',
  infer(inputs, attributes) {
    const [x, indices] = inputs;
    const others = (v: Value) => v.shape.filter((_, axis) => axis !== attributes.axis);
    if (indices?.dtype !== 'int64' || !sameShape(others(x!), others(indices)))
      throw shapeError('GatherElements', 'indices do not fit', inputs, attributes);
    return [{ dtype: x!.dtype, shape: indices.shape }];
  },
};

/** Inputs: data, indices (int64, shape of updates), updates; adds each update at its index along `axis`, in row-major order. */
export const ScatterElements: Op<{ axis: number; reduction: 'add' }> = {
  type: 'ScatterElements',
  kind: 'onnx',
  notDifferentiable: 'used in gradients only',
  infer(inputs, attributes) {
    const [data, indices, updates] = inputs;
    if (indices?.dtype !== 'int64' || !sameShape(indices.shape, updates!.shape))
      throw shapeError('ScatterElements', 'indices and updates differ', inputs, attributes);
    return [{ dtype: data!.dtype, shape: data!.shape }];
  },
};

/** Inputs: data, indices (int64 [N,1]), updates [N,...]; adds each update to the row of data at its index. On the CPU provider the order of additions depends on threads. */
export const ScatterND: Op<{ reduction: 'add' }> = {
  type: 'ScatterND',
  kind: 'onnx',
  notDifferentiable: 'used in lowered composites only',
  infer(inputs, attributes) {
    const [data, indices, updates] = inputs;
    const fits = sameShape(updates!.shape, [indices!.shape[0]!, ...data!.shape.slice(1)]);
    if (indices?.dtype !== 'int64' || indices.shape.length !== 2 || indices.shape[1] !== 1 || !fits)
      throw shapeError('ScatterND', 'indices and updates do not fit', inputs, attributes);
    return [{ dtype: data!.dtype, shape: data!.shape }];
  },
};

export const gather = (g: GraphBuilder, x: Value, indices: Value, axis: number) =>
  add1(g, Gather, [x, indices], { axis });
export const scatterAdd = (g: GraphBuilder, data: Value, indices: Value, updates: Value, axis: number) =>
  add1(g, ScatterElements, [data, indices, updates], { axis, reduction: 'add' });
export const gatherElements = (g: GraphBuilder, x: Value, indices: Value, axis: number) =>
  add1(g, GatherElements, [x, indices], { axis });
export const scatterRows = (g: GraphBuilder, data: Value, indices: Value, updates: Value) =>
  add1(g, ScatterND, [data, indices, updates], { reduction: 'add' });

/** Rows `indices` (ascending) of an axis: Slice where they are a range, Gather where not, x itself where they are the whole axis. */
export function pick(g: GraphBuilder, x: Value, indices: readonly number[], axis: number): Value {
  const [first, last] = [indices[0] ?? 0, indices.at(-1) ?? -1];
  if (last - first + 1 !== indices.length) return gather(g, x, g.constant('int64', [indices.length], indices), axis);
  return indices.length === x.shape[axis] ? x : slice(g, x, [axis], [first], [last + 1]);
}

export const indexingOps = [Gather, GatherGradient, GatherElements, ScatterElements, ScatterND] as Op<Attributes>[];
