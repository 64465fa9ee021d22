// Picking and scattering by index.

import { add1, sameShape, shapeError, type Attributes, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { slice } from './movement.ts';

/** Inputs: x, indices (int64, in range, none negative). Axis `axis` is replaced by the axes of the indices. */
export const Gather: Op<{ axis: number }> = {
  type: 'Gather',
  kind: 'onnx',
  flops: () => 0,
  notDifferentiable: 'gathers are added after differentiation, to gradients and running statistics',
  infer(inputs, { axis }) {
    const [x, indices] = inputs;
    if (indices?.dtype !== 'int64' || axis < 0 || axis >= x!.shape.length)
      throw shapeError('Gather', 'bad indices or axis', inputs, { axis });
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices.shape, ...x!.shape.slice(axis + 1)] }];
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

export const gather = (g: GraphBuilder, x: Value, indices: Value, axis: number) =>
  add1(g, Gather, [x, indices], { axis });
export const scatterAdd = (g: GraphBuilder, data: Value, indices: Value, updates: Value, axis: number) =>
  add1(g, ScatterElements, [data, indices, updates], { axis, reduction: 'add' });

/** Rows `indices` (ascending) of an axis: Slice where they are a range, Gather where not, x itself where they are the whole axis. */
export function pick(g: GraphBuilder, x: Value, indices: readonly number[], axis: number): Value {
  const [first, last] = [indices[0] ?? 0, indices.at(-1) ?? -1];
  if (last - first + 1 !== indices.length) return gather(g, x, g.constant('int64', [indices.length], indices), axis);
  return indices.length === x.shape[axis] ? x : slice(g, x, [axis], [first], [last + 1]);
}

export const indexingOps = [Gather, ScatterElements] as Op<Attributes>[];
