// Take in standard operators: Gather, from the operand with an entry of zeros behind the last where some are asked for.

import { gather } from '../ops/indexing.ts';
import { pad } from '../ops/movement.ts';
import type { Lowering } from './lowering.ts';

export const lowerTake: Lowering = (g, { inputs: [x], attributes }) => {
  const { indices, axis } = attributes as { indices: readonly number[]; axis: number };
  const extent = x!.shape[axis]!;
  const after = x!.shape.map((_, at) => (at === axis && indices.includes(-1) ? 1 : 0));
  const source = pad(g, x!, [...x!.shape.map(() => 0), ...after]);
  const from = indices.map((index) => (index === -1 ? extent : index));
  return [gather(g, source, g.constant('int64', [from.length], from), axis)];
};
