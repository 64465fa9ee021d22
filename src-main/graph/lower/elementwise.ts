// Gradients of Relu and of max-pooling in standard operators.

import type { Lowering } from './lower.ts';
import { sizeOf } from '../graph.ts';
import { hardSigmoid, mul } from '../ops/elementwise.ts';
import { scatterAdd } from '../ops/indexing.ts';
import { expand, reshape } from '../ops/movement.ts';

/** A slope so steep that every normal number above 0 gives 1; HardSigmoid, unlike Sign and Where, runs vectorised on all threads. */
const steep = 3e38;

/** The output of Relu is zero or positive: clipped to 1 after multiplication it is the mask. */
export const lowerReluGradient: Lowering = (g, { inputs: [dy, y] }) => [mul(g, dy!, hardSigmoid(g, y!, steep, 0))];

export const lowerMaxPoolGradient: Lowering = (g, { inputs: [dy, indices], attributes }) => {
  const shape = attributes.shape as readonly number[];
  const zeros = expand(g, g.scalar(0), [sizeOf(shape)]);
  const flat = [sizeOf(dy!.shape)];
  return [reshape(g, scatterAdd(g, zeros, reshape(g, indices!, flat), reshape(g, dy!, flat), 0), shape)];
};
