// Operators that move elements without computing: order, padding, ranges.

import { add1, sameShape, shapeError, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { expand } from './broadcast.ts';

export const Transpose: Op<{ perm: readonly number[] }> = {
  type: 'Transpose',
  kind: 'onnx',
  flops: () => 0,
  infer(inputs, { perm }) {
    const x = inputs[0]!;
    if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== x.shape.length)
      throw shapeError('Transpose', 'perm is not a permutation of the axes', inputs, { perm });
    return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) }];
  },
  refetched: true,
  simplify(g, { attributes: { perm } }, before) {
    if (before?.op !== Transpose) return null;
    const first = before.attributes.perm as readonly number[];
    return transpose(
      g,
      before.inputs[0]!,
      perm.map((axis) => first[axis]!),
    );
  },
  narrow: (g, { inputs: [x], attributes: { perm } }, axis, _, deeper) => transpose(g, deeper(x!, perm[axis]!), perm),
  gradient: ({ g, attributes, outputGradients }) => [
    transpose(g, outputGradients[0]!, invertPermutation(attributes.perm)),
  ],
};

/** `pads`: before each axis, then after each axis; filled with zeros. */
export const Pad: Op<{ pads: readonly number[] }> = {
  type: 'Pad',
  kind: 'onnx',
  attributeInputs: ['pads'],
  flops: () => 0,
  infer(inputs, { pads }) {
    const x = inputs[0]!;
    const rank = x.shape.length;
    if (pads.length !== 2 * rank || pads.some((pad) => pad < 0))
      throw shapeError('Pad', 'takes two non-negative pads per axis', inputs, { pads });
    return [{ dtype: x.dtype, shape: x.shape.map((extent, axis) => pads[axis]! + extent + pads[axis + rank]!) }];
  },
  refetched: true,
  gradient({ g, inputs, attributes, outputGradients }) {
    const x = inputs[0]!;
    const axes = x.shape.map((_, axis) => axis);
    const starts = attributes.pads.slice(0, x.shape.length);
    return [
      slice(
        g,
        outputGradients[0]!,
        axes,
        starts,
        starts.map((start, axis) => start + x.shape[axis]!),
      ),
    ];
  },
};

export const Concat: Op<{ axis: number }> = {
  type: 'Concat',
  kind: 'onnx',
  flops: () => 0,
  infer(inputs, { axis }) {
    const first = inputs[0]!;
    const others = (v: Value) => v.shape.map((extent, i) => (i === axis ? 0 : extent));
    if (inputs.some((v) => v.dtype !== first.dtype || !sameShape(others(v), others(first))))
      throw shapeError('Concat', 'operands differ off the axis', inputs);
    const total = inputs.reduce((sum, v) => sum + v.shape[axis]!, 0);
    return [{ dtype: first.dtype, shape: first.shape.map((extent, i) => (i === axis ? total : extent)) }];
  },
  gradient({ g, inputs, attributes: { axis }, outputGradients, wanted }) {
    let start = 0;
    return inputs.map((v, i) => {
      const [from, to] = [start, (start += v.shape[axis]!)];
      return wanted[i] ? slice(g, outputGradients[0]!, [axis], [from], [to]) : null;
    });
  },
};

type SliceAttributes = {
  starts: readonly number[];
  ends: readonly number[];
  axes: readonly number[];
};

/** Ranges start (inclusive) to end (exclusive) of the listed axes, step 1. */
export const Slice: Op<SliceAttributes> = {
  type: 'Slice',
  kind: 'onnx',
  attributeInputs: ['starts', 'ends', 'axes'],
  flops: () => 0,
  infer(inputs, attributes) {
    const x = inputs[0]!;
    const shape = [...x.shape];
    attributes.axes.forEach((axis, i) => {
      const [start, end] = [attributes.starts[i]!, attributes.ends[i]!];
      if (!(start >= 0 && start <= end && end <= x.shape[axis]!))
        throw shapeError('Slice', 'range outside the axis', inputs, attributes);
      shape[axis] = end - start;
    });
    return [{ dtype: x.dtype, shape }];
  },
  refetched: true,
  picking: (g, { attributes: { axes, starts, ends } }) =>
    axes.length === 1 ? { axis: axes[0]!, pick: (x, axis) => slice(g, x, [axis], starts, ends) } : null,
  gradient({ g, inputs, attributes, outputGradients }) {
    const { shape } = inputs[0]!;
    const before = shape.map(() => 0);
    const after = shape.map(() => 0);
    attributes.axes.forEach((axis, i) => {
      before[axis] = attributes.starts[i]!;
      after[axis] = shape[axis]! - attributes.ends[i]!;
    });
    return [pad(g, outputGradients[0]!, [...before, ...after])];
  },
};

/** Cuts an axis into parts of the extents `split`, in order. */
export const Split: Op<{ axis: number; split: readonly number[] }> = {
  type: 'Split',
  kind: 'onnx',
  attributeInputs: ['split'],
  flops: () => 0,
  infer(inputs, attributes) {
    const { dtype, shape } = inputs[0]!;
    const { axis, split } = attributes;
    if (split.reduce((sum, extent) => sum + extent, 0) !== shape[axis])
      throw shapeError('Split', 'parts do not add up to the axis', inputs, attributes);
    return split.map((part) => ({ dtype, shape: shape.map((extent, i) => (i === axis ? part : extent)) }));
  },
  gradient({ g, outputs, attributes: { axis }, outputGradients }) {
    const parts = outputs.map((part, i) => outputGradients[i] ?? expand(g, g.scalar(0), part.shape));
    return [concat(g, parts, axis)];
  },
};

export function invertPermutation(perm: readonly number[]): number[] {
  const inverse = perm.map(() => 0);
  perm.forEach((axis, i) => (inverse[axis] = i));
  return inverse;
}

export const transpose = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  perm.every((axis, i) => axis === i) ? x : add1(g, Transpose, [x], { perm });
export const pad = (g: GraphBuilder, x: Value, pads: readonly number[]): Value =>
  pads.every((p) => p === 0) ? x : add1(g, Pad, [x], { pads });
export const concat = (g: GraphBuilder, values: readonly Value[], axis: number): Value =>
  add1(g, Concat, values, { axis });
export const slice = (
  g: GraphBuilder,
  x: Value,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
): Value => add1(g, Slice, [x], { starts, ends, axes });
/** Ranges of axes; the value itself where they are whole. */
export const cut = (
  g: GraphBuilder,
  x: Value,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
): Value =>
  axes.every((axis, i) => starts[i] === 0 && ends[i] === x.shape[axis]) ? x : slice(g, x, axes, starts, ends);
export const split = (g: GraphBuilder, x: Value, axis: number, extents: readonly number[]) =>
  g.add(Split, [x], { axis, split: extents });

export const movementOps = { Transpose, Pad, Concat, Slice, Split };
