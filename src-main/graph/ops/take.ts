// Rearranging along one axis by indices that are known when the graph is built: rolling, cutting into windows, tables by position.
//
// Take is a composite with a gradient of its own kind: the gradient of an entry is the sum over the places that took it, in their order,
// found by taking from the output gradient. So nothing is scattered, and results do not depend on threads or on the provider.

import { add1, shapeError, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { reshape } from './reshape.ts';
import { reduceSum } from './broadcast.ts';
import { gather } from './indexing.ts';
import { pad } from './movement.ts';

type TakeAttributes = { indices: readonly number[]; axis: number };

/** Along `axis`, entry i of the output is entry `indices[i]` of the input, or zero where that is -1. */
export const Take: Op<TakeAttributes> = {
  type: 'Take',
  kind: 'composite',
  flops: () => 0,
  infer(inputs, { indices, axis }) {
    const x = inputs[0]!;
    const extent = x.shape[axis];
    if (extent === undefined || indices.some((index) => index < -1 || index >= extent))
      throw shapeError('Take', 'bad indices or axis', inputs, { axis });
    return [{ dtype: x.dtype, shape: x.shape.map((size, at) => (at === axis ? indices.length : size)) }];
  },
  gradient: ({ g, inputs, attributes: { indices, axis }, outputGradients }) => [
    giveBack(g, outputGradients[0]!, indices, axis, inputs[0]!.shape[axis]!),
  ],
  /** Gather, from the operand with an entry of zeros behind the last where some are asked for. */
  lower(g, { inputs: [x], attributes: { indices, axis } }) {
    const extent = x!.shape[axis]!;
    const after = x!.shape.map((_, at) => (at === axis && indices.includes(-1) ? 1 : 0));
    const source = pad(g, x!, [...x!.shape.map(() => 0), ...after]);
    const from = indices.map((index) => (index === -1 ? extent : index));
    return [gather(g, source, g.constant('int64', [from.length], from), axis)];
  },
};

/** Sums, for each of `extent` entries, the gradients of the places that took it. */
function giveBack(g: GraphBuilder, gradient: Value, indices: readonly number[], axis: number, extent: number): Value {
  const places: number[][] = Array.from({ length: extent }, () => []);
  indices.forEach((index, place) => places[index]?.push(place));
  const most = Math.max(1, ...places.map((of) => of.length));
  const filled = places.flatMap((of) => [...of, ...new Array<number>(most - of.length).fill(-1)]);
  const taken = take(g, gradient, filled, axis);
  if (most === 1) return taken;
  const { shape } = gradient;
  const apart = reshape(g, taken, [...shape.slice(0, axis), extent, most, ...shape.slice(axis + 1)]);
  return reduceSum(g, apart, [axis + 1], false);
}

export const take = (g: GraphBuilder, x: Value, indices: readonly number[], axis: number) =>
  indices.length === x.shape[axis] && indices.every((index, at) => index === at)
    ? x
    : add1(g, Take, [x], { indices, axis });

export const takeOps = { Take };
