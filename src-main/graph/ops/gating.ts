// SwiGLU: y = silu(gate) up with silu(x) = x sigmoid(x) (Shazeer, 2020). Composites, and what they are lowered to.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type GraphBuilder,
  type Op,
  type TensorType,
  type Value,
} from '../graph.ts';
import { add, mul, sub } from './elementwise.ts';

type NoAttributes = Record<string, never>;

function sameType(type: string, inputs: readonly Value[]): TensorType {
  const [first] = inputs;
  if (!first || inputs.some((x) => x.dtype !== first.dtype || !sameShape(x.shape, first.shape)))
    throw shapeError(type, 'takes operands of one shape', inputs);
  return { dtype: first.dtype, shape: first.shape };
}

/** Composite. Inputs: gate, up. */
export const SwiGlu: Op<NoAttributes> = {
  type: 'SwiGlu',
  kind: 'composite',
  infer: (inputs) => [sameType('SwiGlu', inputs)],
  flops: ({ outputs }) => 5 * sizeOf(outputs[0]!.shape),
  saves: { inputs: [0, 1], outputs: [0] },
  gradient: ({ g, saved, outputGradients: [dy] }) => [...g.add(SwiGluGradient, [dy!, ...saved], {})],
  lower: (g, { inputs: [gate, up] }, provider) => [
    mul(g, provider === 'cpu' ? quickGelu(g, gate!, 1) : mul(g, gate!, sigmoid(g, gate!)), up!),
  ],
};

/** Composite. Inputs: dy, gate, up, y. Outputs: dgate = dy up silu'(gate) = dy (y + s (up - y)) with s = sigmoid(gate); dup = dy silu(gate). */
export const SwiGluGradient: Op<NoAttributes> = {
  type: 'SwiGluGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const like = sameType('SwiGluGradient', inputs);
    return [like, { ...like }];
  },
  flops: ({ outputs }) => 10 * sizeOf(outputs[0]!.shape),
  lower(g, { inputs }, provider) {
    const [dy, gate, up, y] = inputs as [Value, Value, Value, Value];
    const s = sigmoid(g, gate);
    const dgate = mul(g, dy, add(g, y, mul(g, s, sub(g, up, y))));
    return [dgate, mul(g, dy, provider === 'cpu' ? quickGelu(g, gate, 1) : mul(g, gate, s))];
  },
};

export const Sigmoid: Op<NoAttributes> = {
  type: 'Sigmoid',
  kind: 'onnx',
  infer: (inputs) => [sameType('Sigmoid', inputs)],
  flops: ({ outputs }) => 4 * sizeOf(outputs[0]!.shape),
  /** dx = dy y (1 - y). */
  saves: { outputs: [0] },
  gradient: ({ g, saved: [y], outputGradients: [dy] }) => [mul(g, dy!, mul(g, y!, sub(g, g.scalar(1), y!)))],
};

/** ONNX Runtime's operator x sigmoid(alpha x); with alpha 1 it is silu. */
export const QuickGelu: Op<{ alpha: number }> = {
  type: 'QuickGelu',
  kind: 'onnx',
  domain: 'com.microsoft',
  floatAttributes: ['alpha'],
  notDifferentiable: 'used in lowered composites only',
  infer: (inputs) => [sameType('QuickGelu', inputs)],
  flops: ({ outputs }) => 5 * sizeOf(outputs[0]!.shape),
};

export const swiGlu = (g: GraphBuilder, gate: Value, up: Value) => add1(g, SwiGlu, [gate, up], {});
export const sigmoid = (g: GraphBuilder, x: Value) => add1(g, Sigmoid, [x], {});
export const quickGelu = (g: GraphBuilder, x: Value, alpha: number) => add1(g, QuickGelu, [x], { alpha });

export const gatingOps = { SwiGlu, SwiGluGradient, Sigmoid, QuickGelu };
