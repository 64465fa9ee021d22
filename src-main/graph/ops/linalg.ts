// Matrix products.

import { add1, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { unbroadcast } from './broadcast.ts';
import { transpose } from './movement.ts';
import { reduceSum } from './broadcast.ts';

/** Batched product of the last two axes; leading axes broadcast. Operands have rank 2 or more. */
export const MatMul: Op<Record<string, never>> = {
  type: 'MatMul',
  kind: 'onnx',
  infer(inputs) {
    const [a, b] = inputs;
    const [ra, rb] = [a!.shape.length, b!.shape.length];
    if (inputs.length !== 2 || ra < 2 || rb < 2 || a!.shape[ra - 1] !== b!.shape[rb - 2])
      throw shapeError('MatMul', 'inner extents differ', inputs);
    const rank = Math.max(ra, rb);
    const batch = Array.from({ length: rank - 2 }, (_, axis) => {
      const [ea, eb] = [a!.shape[axis - rank + ra] ?? 1, b!.shape[axis - rank + rb] ?? 1];
      if (ea !== eb && ea !== 1 && eb !== 1) throw shapeError('MatMul', 'batch axes do not broadcast', inputs);
      return ea === 1 ? eb : ea;
    });
    return [{ dtype: a!.dtype, shape: [...batch, a!.shape[ra - 2]!, b!.shape[rb - 1]!] }];
  },
  flops: ({ inputs, outputs }) => 2 * sizeOf(outputs[0]!.shape) * inputs[0]!.shape.at(-1)!,
  narrow(g, { inputs, outputs }, axis, _, deeper) {
    const [a, b] = inputs as [Value, Value];
    const last = outputs[0]!.shape.length - 1;
    if (a.shape.length !== b.shape.length || axis < last - 1) return null;
    return axis === last ? matMul(g, a, deeper(b, axis)) : matMul(g, deeper(a, axis), b);
  },
  saves: { inputs: [0, 1] },
  /** y = a b: da = dy bT, db = aT dy. */
  gradient({ g, saved, outputGradients, wanted }) {
    const [a, b] = saved as [Value, Value];
    const dy = outputGradients[0]!;
    return [
      wanted[0] ? unbroadcast(g, matMul(g, dy, swapLast(g, b)), a.shape) : null,
      wanted[1] ? unbroadcast(g, matMul(g, swapLast(g, a), dy), b.shape) : null,
    ];
  },
};

/** y = a b + c with optional transposition of a and b (1: transposed); c broadcasts over rows and may be absent. */
type GemmAttributes = { transA: number; transB: number };

export const Gemm: Op<GemmAttributes> = {
  type: 'Gemm',
  kind: 'onnx',
  infer(inputs, attributes) {
    const [a, b, c] = inputs;
    const [m, ka] = attributes.transA ? [a!.shape[1], a!.shape[0]] : [a!.shape[0], a!.shape[1]];
    const [kb, n] = attributes.transB ? [b!.shape[1], b!.shape[0]] : [b!.shape[0], b!.shape[1]];
    if (a!.shape.length !== 2 || b!.shape.length !== 2 || ka !== kb)
      throw shapeError('Gemm', 'inner extents differ', inputs, attributes);
    if (c && (c.shape.length !== 1 || c.shape[0] !== n))
      throw shapeError('Gemm', 'the bias must have one entry per column', inputs, attributes);
    return [{ dtype: a!.dtype, shape: [m!, n!] }];
  },
  flops: ({ inputs, outputs, attributes }) =>
    2 * sizeOf(outputs[0]!.shape) * inputs[0]!.shape[attributes.transA ? 0 : 1]!,
  narrow(g, { inputs, attributes: { transA, transB } }, axis, _, deeper) {
    const [a, b] = inputs as [Value, Value];
    if (inputs.length === 3) return null;
    if (axis === 0) return gemm(g, deeper(a, transA), b, { transA, transB });
    return gemm(g, a, deeper(b, 1 - transB), { transA, transB });
  },
  saves: { inputs: [0, 1] },
  gradient({ g, saved, inputs, attributes: { transA, transB }, outputGradients, wanted }) {
    const [a, b] = saved as [Value, Value];
    const dy = outputGradients[0]!;
    const da = () =>
      transA ? gemm(g, b, dy, { transA: transB, transB: 1 }) : gemm(g, dy, b, { transA: 0, transB: 1 - transB });
    const db = () =>
      transB ? gemm(g, dy, a, { transA: 1, transB: transA }) : gemm(g, a, dy, { transA: 1 - transA, transB: 0 });
    const gradients = [wanted[0] ? da() : null, wanted[1] ? db() : null];
    if (inputs.length === 3) gradients.push(wanted[2] ? reduceSum(g, dy, [0], false) : null);
    return gradients;
  },
};

function swapLast(g: GraphBuilder, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis);
  const last = axes.length - 1;
  return transpose(g, x, [...axes.slice(0, -2), last, last - 1]);
}

export const matMul = (g: GraphBuilder, a: Value, b: Value): Value => add1(g, MatMul, [a, b], {});
export const gemm = (g: GraphBuilder, a: Value, b: Value, attributes: GemmAttributes, c?: Value): Value =>
  add1(g, Gemm, c ? [a, b, c] : [a, b], attributes);

export const linalgOps = { MatMul, Gemm };
