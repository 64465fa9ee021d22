// The Gaussian error linear unit in its exact form, x Phi(x), with Phi the normal distribution function (Hendrycks and Gimpel, 2016).
//
// Both are composites: ONNX has Gelu from opset 20 on only, and its runtime fuses the spelled-out form anyway.

import {
  add1,
  shapeError,
  sameShape,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type Value,
} from '../graph.ts';

type NoAttributes = Record<string, never>;

export const Gelu: Op<NoAttributes> = {
  type: 'Gelu',
  kind: 'composite',
  infer: (inputs) => [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }],
  flops: ({ inputs }) => 5 * sizeOf(inputs[0]!.shape),
  gradient: ({ g, inputs, outputGradients }) => [add1(g, GeluGradient, [outputGradients[0]!, inputs[0]!], {})],
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
};

export const gelu = (g: GraphBuilder, x: Value) => add1(g, Gelu, [x], {});

export const geluOps = [Gelu, GeluGradient] as Op<Attributes>[];
