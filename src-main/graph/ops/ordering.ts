// Control dependencies in standard operators: a value that is there only after others are.
//
// The runtime chooses the order of nodes by their data alone. `after` makes the shape of a Reshape depend on the number of elements of
// events, times zero: a zero keeps the extent of the operand. The result is the operand's memory seen otherwise, nothing of the size of a
// tensor is read, and no optimisation sees through it, so that nodes over the result are not merged with nodes over the operand either.

import { add1, type Attributes, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { mul } from './elementwise.ts';

type NoAttributes = Record<string, never>;

/** Number of elements, known without reading them. */
export const Size: Op<NoAttributes> = {
  type: 'Size',
  kind: 'onnx',
  notDifferentiable: 'a number of elements is an integer',
  flops: () => 0,
  infer: () => [{ dtype: 'int64', shape: [] }],
};

/** Largest of the operands, element by element. */
export const Max: Op<NoAttributes> = {
  type: 'Max',
  kind: 'onnx',
  notDifferentiable: 'used on numbers of elements only',
  flops: () => 0,
  infer: ([first]) => [{ dtype: first!.dtype, shape: first!.shape }],
};

/** Inputs: x, and its own shape as computed when the graph runs. */
const ReshapeToSame: Op<NoAttributes> = {
  type: 'Reshape',
  kind: 'onnx',
  memory: 'alias',
  shapeAtRun: true,
  notDifferentiable: 'added behind differentiation',
  flops: () => 0,
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
};

/** A number that is there when all the events are; see `after`. */
export function moment(g: GraphBuilder, events: readonly Value[]): Value {
  const sizes = events.map((event) => add1(g, Size, [event], {}));
  return sizes.length === 1 ? sizes[0]! : add1(g, Max, sizes, {});
}

/** x itself, but not before the moment. */
export function after(g: GraphBuilder, x: Value, start: Value): Value {
  const zeros = g.constant('int64', [x.shape.length], new Array<number>(x.shape.length).fill(0));
  return add1(g, ReshapeToSame, [x, mul(g, start, zeros)], {});
}

export const orderingOps = [Size, Max] as Op<Attributes>[];
