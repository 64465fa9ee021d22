// Picking and scattering by index, and adding rows to rows.

import {
  add1,
  elementBytes,
  sameShape,
  shapeError,
  sizeOf,
  type ExecutionProvider,
  type GraphBuilder,
  type Node,
  type Op,
  type Shape,
  type Value,
} from '../graph.ts';
import { expand } from './broadcast.ts';
import { add, cast, equal } from './elementwise.ts';
import { gemm } from './linalg.ts';
import { concat, slice } from './movement.ts';
import { reshape } from './reshape.ts';

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
  refetched: true,
  picking: (g, { inputs: [, indices], attributes: { axis } }) =>
    indices!.shape.length === 1 ? { axis, pick: (x, at) => gather(g, x, indices!, at) } : null,
  lower: gatherBlocks,
  saves: { inputs: [1] },
  gradient({ g, saved: [indices], inputs, attributes: { axis }, outputGradients }) {
    if (axis !== 0) throw shapeError('Gather', 'has a gradient along axis 0 only', inputs, { axis });
    return [add1(g, GatherGradient, [outputGradients[0]!, indices!], { shape: inputs[0]!.shape }), null];
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
  lower(g, { inputs: [dy, indices], attributes: { shape } }, provider) {
    const count = sizeOf(indices!.shape);
    if (provider === 'cuda') return [rowSums(g, indices!, dy!, shape)];
    const rows = reshape(g, dy!, [count, ...shape.slice(1)]);
    return [addRows(g, expand(g, g.scalar(0), shape), reshape(g, indices!, [count]), rows, provider)];
  },
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
  /** A copy of the indices. */
  scratch: { heap: ({ inputs: [, indices] }) => elementBytes.int64 * sizeOf(indices!.shape) },
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

export const gather = (g: GraphBuilder, x: Value, indices: Value, axis: number): Value =>
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

/** A gather of whole blocks of consecutive indices copies blocks: the axis is seen as [blocks, block size]. */
function gatherBlocks(
  g: GraphBuilder,
  { inputs: [x, indices], attributes: { axis } }: Node<{ axis: number }>,
): Value[] | null {
  const rows = indices!.shape.length === 1 ? g.constantData(indices!) : undefined;
  const extent = x!.shape[axis]!;
  const block = rows ? blockOf(rows, extent) : 1;
  if (block === 1) return null;
  const firsts = rows!.filter((_, i) => i % block === 0).map((row) => row / block);
  const [before, after] = [x!.shape.slice(0, axis), x!.shape.slice(axis + 1)];
  const blocks = reshape(g, x!, [...before, extent / block, block, ...after]);
  const picked = gather(g, blocks, g.constant('int64', [firsts.length], firsts), axis);
  return [reshape(g, picked, [...before, rows!.length, ...after])];
}

/** Rows of a one-hot matrix that are made at a time. */
const rowsAtOnce = 4096;

/**
 * For each row of a tensor of this shape, the sum of the updates at its index: one-hot rows times the updates. On CUDA the runtime's
 * scattering operators add by atomics, so that equal indices have no fixed order.
 */
function rowSums(g: GraphBuilder, indices: Value, updates: Value, shape: Shape): Value {
  const count = sizeOf(indices.shape);
  const flat = reshape(g, updates, [count, sizeOf(shape.slice(1))]);
  const columns = reshape(g, indices, [1, count]);
  const sums: Value[] = [];
  for (let start = 0; start < shape[0]!; start += rowsAtOnce) {
    const rows = Array.from({ length: Math.min(rowsAtOnce, shape[0]! - start) }, (_, i) => start + i);
    const oneHot = cast(g, equal(g, g.constant('int64', [rows.length, 1], rows), columns), 'float32');
    sums.push(gemm(g, oneHot, flat, { transA: 0, transB: 0 }));
  }
  return reshape(g, sums.length === 1 ? sums[0]! : concat(g, sums, 0), shape);
}

/**
 * Adds each update to the row of `data` at its index. On the CPU provider element by element, one thread in row order: its operator on
 * rows shares them out to threads that race for equal indices.
 */
export function addRows(
  g: GraphBuilder,
  data: Value,
  indices: Value,
  updates: Value,
  provider: ExecutionProvider,
): Value {
  const count = indices.shape[0]!;
  const column = reshape(g, indices, [count, 1]);
  if (provider !== 'cpu') return scatterRows(g, data, column, updates);
  if (data.shape.length !== 2) throw new Error(`rows are added to [rows, width], not to ${data.shape.join('x')}`);
  const zeros = g.constant('int64', [1, data.shape[1]!], new Array<number>(data.shape[1]!).fill(0));
  return scatterAdd(g, data, add(g, column, zeros), updates, 0);
}

/** Largest size such that the indices are whole blocks of an axis that divides into blocks. */
function blockOf(rows: readonly number[], extent: number): number {
  let block = greatestDivisor(extent, rows.length);
  for (let start = 0; start < rows.length && block > 1;) {
    let end = start + 1;
    while (end < rows.length && rows[end] === rows[end - 1]! + 1) end += 1;
    block = greatestDivisor(greatestDivisor(block, rows[start]!), end - start);
    start = end;
  }
  return block;
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

export const indexingOps = { Gather, GatherGradient, GatherElements, ScatterElements, ScatterND };
