// The gradient of Relu in standard operators.

import type { Lowering } from './lowering.ts';
import { hardSigmoid, mul } from '../ops/elementwise.ts';

/** A slope so steep that every normal number above 0 gives 1; HardSigmoid, unlike Sign and Where, runs vectorised on all threads. */
const steep = 3e38;

/** The output of Relu is zero or positive: clipped to 1 after multiplication it is the mask. */
export const lowerReluGradient: Lowering = (g, { inputs: [dy, y] }) => [mul(g, dy!, hardSigmoid(g, y!, steep, 0))];
