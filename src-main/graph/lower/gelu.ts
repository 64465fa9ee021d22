// Gelu and its gradient in standard operators. The formulas are in ops/gelu.ts.

import { add, div, erf, exp, hardSigmoid, mul } from '../ops/elementwise.ts';
import type { Lowering } from './lowering.ts';

/** In the order of operations that the runtime recognises and runs as one kernel. */
export const lowerGelu: Lowering = (g, { inputs: [x] }) => {
  const twicePhi = add(g, erf(g, div(g, x!, g.scalar(Math.SQRT2))), g.scalar(1));
  return [mul(g, mul(g, x!, twicePhi), g.scalar(0.5))];
};

/** Phi is computed anew: kept from the forward pass it would cost as much memory as x. As erf is in [-1,1], HardSigmoid is (1 + erf) / 2. */
export const lowerGeluGradient: Lowering = (g, { inputs: [dy, x] }) => {
  const phi = hardSigmoid(g, erf(g, mul(g, x!, g.scalar(Math.SQRT1_2))), 0.5, 0.5);
  const density = mul(g, exp(g, mul(g, mul(g, x!, g.scalar(-0.5)), x!)), g.scalar(1 / Math.sqrt(2 * Math.PI)));
  return [mul(g, dy!, add(g, phi, mul(g, x!, density)))];
};
