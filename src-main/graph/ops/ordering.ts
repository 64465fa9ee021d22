// Control dependencies in standard operators: a value that is there only after others are.
//
// The runtime chooses the order of nodes by their data alone. `after` makes the shape of a Reshape depend on the number of elements of
// events, times zero: a zero keeps the extent of the operand. The result is the operand's memory seen otherwise, nothing of the size of a
// tensor is read, and no optimisation sees through it, so that nodes over the result are not merged with nodes over the operand either.
// Shapes are computed on the host: of each event only the first element is asked for, so that a device has no more to copy there.

import { add1, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { add, mul } from './elementwise.ts';
import { slice } from './movement.ts';

type NoAttributes = Record<string, never>;

/** Scope of the nodes that are there for the order alone; native/core/src/provider.rs knows it. */
export const orderScope = 'order';

/** Number of elements, known without reading them. */
export const Size: Op<NoAttributes> = {
  type: 'Size',
  kind: 'onnx',
  notDifferentiable: 'a number of elements is an integer',
  flops: () => 0,
  infer: () => [{ dtype: 'int64', shape: [] }],
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
  return ordering(g, () => {
    const firsts = events.map((event) => firstElement(g, event));
    return add1(g, Size, [firsts.reduce((sum, first) => add(g, sum, first))], {});
  });
}

/** x itself, but not before the moment. */
export function after(g: GraphBuilder, x: Value, start: Value): Value {
  return ordering(g, () => {
    const zeros = g.constant('int64', [x.shape.length], new Array<number>(x.shape.length).fill(0));
    return add1(g, ReshapeToSame, [x, mul(g, start, zeros)], {});
  });
}

function firstElement(g: GraphBuilder, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis);
  if (axes.length === 0) return x;
  const [starts, ends] = [axes.map(() => 0), axes.map(() => 1)];
  return slice(g, x, axes, starts, ends);
}

function ordering(g: GraphBuilder, build: () => Value): Value {
  const { scope } = g;
  g.scope = orderScope;
  const value = build();
  g.scope = scope;
  return value;
}

export const orderingOps = { Size, ReshapeToSame };
