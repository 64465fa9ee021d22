// Elementwise operators, with broadcasting where they take two or three operands.
//
// ReluGradient is a composite (mask the gradient where the output of Relu is zero): how to do that fastest depends on the provider.

import { add1, bytesOf, shapeError, type DType, type GraphBuilder, type Op, type Saves, type Value } from '../graph.ts';
import { broadcastShape, unbroadcast } from './broadcast.ts';

type NoAttributes = Record<string, never>;
const none: NoAttributes = {};

type Gradients = (g: GraphBuilder, gradient: Value, saved: readonly Value[]) => [() => Value, () => Value];

function binary(type: string, gradients: Gradients, saves: Saves = {}): Op<NoAttributes> {
  return {
    type,
    kind: 'onnx',
    infer(inputs) {
      if (inputs.length !== 2 || inputs[0]!.dtype !== inputs[1]!.dtype)
        throw shapeError(type, 'takes two operands of one dtype', inputs);
      return [{ dtype: inputs[0]!.dtype, shape: broadcastShape(type, inputs) }];
    },
    saves,
    gradient({ g, saved, inputs, outputGradients, wanted }) {
      const rules = gradients(g, outputGradients[0]!, saved);
      return rules.map((rule, i) => (wanted[i] ? unbroadcast(g, rule(), inputs[i]!.shape) : null));
    },
  };
}

/** The rule gets x where `saves` names the input, y where it names the output. */
function unary(
  type: string,
  gradient: (g: GraphBuilder, gradient: Value, saved: Value) => Value,
  saves: Saves = {},
): Op<NoAttributes> {
  return {
    type,
    kind: 'onnx',
    infer: (inputs) => {
      if (inputs.length !== 1) throw shapeError(type, 'takes one operand', inputs);
      return [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }];
    },
    saves,
    gradient: ({ g, saved, outputGradients }) => [gradient(g, outputGradients[0]!, saved[0]!)],
  };
}

function comparison(type: string): Op<NoAttributes> {
  return {
    type,
    kind: 'onnx',
    notDifferentiable: 'a comparison is piecewise constant',
    infer(inputs) {
      if (inputs.length !== 2 || inputs[0]!.dtype !== inputs[1]!.dtype)
        throw shapeError(type, 'takes two operands of one dtype', inputs);
      return [{ dtype: 'bool', shape: broadcastShape(type, inputs) }];
    },
  };
}

export const Add = binary('Add', (_, dy) => [() => dy, () => dy]);
export const Sub = binary('Sub', (g, dy) => [() => dy, () => neg(g, dy)]);
export const Mul = binary('Mul', (g, dy, [a, b]) => [() => mul(g, dy, b!), () => mul(g, dy, a!)], { inputs: [0, 1] });
/** d(a/b) = da/b - (a/b) db/b. */
export const Div = binary('Div', (g, dy, [b, y]) => [() => div(g, dy, b!), () => neg(g, div(g, mul(g, dy, y!), b!))], {
  inputs: [1],
  outputs: [0],
});

const [fromInput, fromOutput]: [Saves, Saves] = [{ inputs: [0] }, { outputs: [0] }];

export const Neg = unary('Neg', (g, dy) => neg(g, dy));
export const Exp = unary('Exp', (g, dy, y) => mul(g, dy, y), fromOutput);
export const Log = unary('Log', (g, dy, x) => div(g, dy, x), fromInput);
/** d sqrt(x) = dx / (2 sqrt(x)). */
export const Sqrt = unary('Sqrt', (g, dy, y) => div(g, dy, mul(g, g.scalar(2), y)), fromOutput);
export const Relu = unary('Relu', (g, dy, y) => reluGradient(g, dy, y), fromOutput);
/** d erf(x) = 2 / sqrt(pi) exp(-x^2) dx. */
export const Erf = unary(
  'Erf',
  (g, dy, x) => mul(g, dy, mul(g, exp(g, neg(g, mul(g, x, x))), g.scalar(2 / Math.sqrt(Math.PI)))),
  fromInput,
);
export const Identity: Op<NoAttributes> = {
  ...unary('Identity', (_, dy) => dy),
  simplify: (_, node) => node.inputs[0]!,
};

export const Greater = comparison('Greater');
export const Equal = comparison('Equal');

/** y = min(1, max(0, alpha x + beta)). */
export const HardSigmoid: Op<{ alpha: number; beta: number }> = {
  type: 'HardSigmoid',
  kind: 'onnx',
  floatAttributes: ['alpha', 'beta'],
  notDifferentiable: 'used as a mask in gradients only',
  infer: (inputs) => [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }],
};

const castCodes: Record<DType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 };

/** `to` is the ONNX element type code. */
export const Cast: Op<{ to: number }> = {
  type: 'Cast',
  kind: 'onnx',
  notDifferentiable: 'casts here go to and from integers and booleans only',
  infer: (inputs, { to }) => {
    const dtype = (Object.keys(castCodes) as DType[]).find((key) => castCodes[key] === to);
    if (!dtype) throw shapeError('Cast', 'unknown element type', inputs, { to });
    return [{ dtype, shape: inputs[0]!.shape }];
  },
};

export const Where: Op<NoAttributes> = {
  type: 'Where',
  kind: 'onnx',
  infer(inputs) {
    const [condition, a, b] = inputs;
    if (condition?.dtype !== 'bool' || a?.dtype !== b?.dtype)
      throw shapeError('Where', 'takes bool and two operands of one dtype', inputs);
    return [{ dtype: a!.dtype, shape: broadcastShape('Where', inputs) }];
  },
  /** What is selected of either operand, which the kernel then merges. */
  scratch: { first: true, arena: ({ outputs: [selected] }) => [bytesOf(selected!), bytesOf(selected!)] },
  saves: { inputs: [0] },
  gradient({ g, saved, inputs, outputGradients, wanted }) {
    const [condition, a, b] = [saved[0]!, inputs[1]!, inputs[2]!];
    const [dy, zero] = [outputGradients[0]!, g.scalar(0)];
    return [
      null,
      wanted[1] ? unbroadcast(g, where(g, condition, dy, zero), a.shape) : null,
      wanted[2] ? unbroadcast(g, where(g, condition, zero, dy), b.shape) : null,
    ];
  },
};

/** A slope so steep that every normal number above 0 gives 1; HardSigmoid, unlike Sign and Where, runs vectorised on all threads. */
const steep = 3e38;

/** Composite: the gradient `dy` where the output `y` of Relu is positive, else 0. */
export const ReluGradient: Op<NoAttributes> = {
  type: 'ReluGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer: (inputs) => [{ dtype: inputs[0]!.dtype, shape: broadcastShape('ReluGradient', inputs) }],
  /** The output of Relu is zero or positive: clipped to 1 after multiplication it is the mask. */
  lower: (g, { inputs: [dy, y] }) => [mul(g, dy!, hardSigmoid(g, y!, steep, 0))],
};

/** Composite: x, taken as a constant by differentiation. */
export const StopGradient: Op<NoAttributes> = {
  type: 'StopGradient',
  kind: 'composite',
  memory: 'alias',
  flops: () => 0,
  infer: (inputs) => [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }],
  gradient: () => [null],
  lower: (_, { inputs }) => inputs,
};

export const add = (g: GraphBuilder, a: Value, b: Value) => add1(g, Add, [a, b], none);
export const sub = (g: GraphBuilder, a: Value, b: Value) => add1(g, Sub, [a, b], none);
export const mul = (g: GraphBuilder, a: Value, b: Value) => add1(g, Mul, [a, b], none);
export const div = (g: GraphBuilder, a: Value, b: Value) => add1(g, Div, [a, b], none);
export const neg = (g: GraphBuilder, x: Value) => add1(g, Neg, [x], none);
export const exp = (g: GraphBuilder, x: Value) => add1(g, Exp, [x], none);
export const log = (g: GraphBuilder, x: Value) => add1(g, Log, [x], none);
export const sqrt = (g: GraphBuilder, x: Value) => add1(g, Sqrt, [x], none);
export const erf = (g: GraphBuilder, x: Value) => add1(g, Erf, [x], none);
export const relu = (g: GraphBuilder, x: Value) => add1(g, Relu, [x], none);
export const hardSigmoid = (g: GraphBuilder, x: Value, alpha: number, beta: number) =>
  add1(g, HardSigmoid, [x], { alpha, beta });
export const identity = (g: GraphBuilder, x: Value) => add1(g, Identity, [x], none);
export const greater = (g: GraphBuilder, a: Value, b: Value) => add1(g, Greater, [a, b], none);
export const equal = (g: GraphBuilder, a: Value, b: Value) => add1(g, Equal, [a, b], none);
export const cast = (g: GraphBuilder, x: Value, to: DType) => add1(g, Cast, [x], { to: castCodes[to] });
export const where = (g: GraphBuilder, condition: Value, a: Value, b: Value): Value =>
  add1(g, Where, [condition, a, b], none);
export const reluGradient = (g: GraphBuilder, dy: Value, y: Value) => add1(g, ReluGradient, [dy, y], none);
export const stopGradient = (g: GraphBuilder, x: Value) => add1(g, StopGradient, [x], none);

export const elementwiseOps = {
  Add,
  Sub,
  Mul,
  Div,
  Neg,
  Exp,
  Log,
  Sqrt,
  Erf,
  Relu,
  Identity,
  HardSigmoid,
  Greater,
  Equal,
  Cast,
  Where,
  ReluGradient,
  StopGradient,
};
