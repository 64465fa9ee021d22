// Picking rows in blocks, and adding rows to rows by index.

import { sizeOf, type GraphBuilder, type Shape, type Value } from '../graph.ts';
import { add, cast, equal } from '../ops/elementwise.ts';
import { gather, scatterAdd, scatterRows } from '../ops/indexing.ts';
import { gemm } from '../ops/linalg.ts';
import { concat } from '../ops/movement.ts';
import { expand } from '../ops/broadcast.ts';
import { reshape } from '../ops/reshape.ts';
import type { ExecutionProvider, Lowering } from './lowering.ts';

/** A gather of whole blocks of consecutive indices copies blocks: the axis is seen as [blocks, block size]. */
export const lowerGather: Lowering = (g, { inputs: [x, indices], attributes }) => {
  const axis = attributes.axis as number;
  const rows = indices!.shape.length === 1 ? g.constantData(indices!) : undefined;
  const extent = x!.shape[axis]!;
  const block = rows ? blockOf(rows, extent) : 1;
  if (block === 1) return null;
  const firsts = rows!.filter((_, i) => i % block === 0).map((row) => row / block);
  const [before, after] = [x!.shape.slice(0, axis), x!.shape.slice(axis + 1)];
  const blocks = reshape(g, x!, [...before, extent / block, block, ...after]);
  const picked = gather(g, blocks, g.constant('int64', [firsts.length], firsts), axis);
  return [reshape(g, picked, [...before, rows!.length, ...after])];
};

export const lowerGatherGradient: Lowering = (g, { inputs: [dy, indices], attributes }, provider) => {
  const shape = attributes.shape as Shape;
  const count = sizeOf(indices!.shape);
  if (provider === 'cuda') return [rowSums(g, indices!, dy!, shape)];
  const rows = reshape(g, dy!, [count, ...shape.slice(1)]);
  return [addRows(g, expand(g, g.scalar(0), shape), reshape(g, indices!, [count]), rows, provider)];
};

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
