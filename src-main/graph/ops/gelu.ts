// The Gaussian error linear unit in its exact form, x Phi(x), with Phi the normal distribution function (Hendrycks and Gimpel, 2016).
//
// Both are composites: ONNX has Gelu from opset 20 on only, and its runtime fuses the spelled-out form anyway.

import { add1, shapeError, sameShape, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { add, div, erf, exp, hardSigmoid, mul } from './elementwise.ts';

type NoAttributes = Record<string, never>;

export const Gelu: Op<NoAttributes> = {
  type: 'Gelu',
  kind: 'composite',
  infer: (inputs) => [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }],
  flops: ({ inputs }) => 5 * sizeOf(inputs[0]!.shape),
  saves: { inputs: [0] },
  gradient: ({ g, saved: [x], outputGradients }) => [add1(g, GeluGradient, [outputGradients[0]!, x!], {})],
  /** In the order of operations that the runtime recognises and runs as one kernel. */
  lower(g, { inputs: [x] }) {
    const twicePhi = add(g, erf(g, div(g, x!, g.scalar(Math.SQRT2))), g.scalar(1));
    return [mul(g, mul(g, x!, twicePhi), g.scalar(0.5))];
  },
};

/** Inputs: dy, x. dx = dy (Phi(x) + x phi(x)), phi the normal density. */
export const GeluGradient: Op<NoAttributes> = {
  type: 'GeluGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const [dy, x] = inputs;
    if (!sameShape(dy!.shape, x!.shape)) throw shapeError('GeluGradient', 'gradient and operand differ', inputs);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  flops: ({ inputs }) => 10 * sizeOf(inputs[0]!.shape),
  /** Phi is computed anew: kept from the forward pass it would cost as much memory as x. As erf is in [-1,1], HardSigmoid is (1 + erf) / 2. */
  lower(g, { inputs: [dy, x] }) {
    const phi = hardSigmoid(g, erf(g, mul(g, x!, g.scalar(Math.SQRT1_2))), 0.5, 0.5);
    const density = mul(g, exp(g, mul(g, mul(g, x!, g.scalar(-0.5)), x!)), g.scalar(1 / Math.sqrt(2 * Math.PI)));
    return [mul(g, dy!, add(g, phi, mul(g, x!, density)))];
  },
};

export const gelu = (g: GraphBuilder, x: Value) => add1(g, Gelu, [x], {});

export const geluOps = { Gelu, GeluGradient };
