// Convolutions and pooling.

import { sizeOf, type Attributes, type Shape } from '../../graph/graph.ts';
import * as ops from '../../graph/ops/conv.ts';
import { maxPool } from '../../graph/ops/pool.ts';
import { generate, positions, stridesOf, type Entry, type Kernel, type OperatorTests } from './kernel.ts';

/** Calls `visit(image offset, weight offset, output offset)` for every product of a 2-D or 3-D convolution. */
function eachProduct(
  x: Shape,
  w: Shape,
  y: Shape,
  attributes: Attributes,
  visit: (x: number, w: number, y: number) => void,
) {
  const { strides, pads, dilations, group = 1 } = attributes as Record<string, number[]> & { group?: number };
  const rank = x.length - 2;
  const perGroup = w[0]! / group;
  const [xs, ws] = [stridesOf(x), stridesOf(w)];
  let output = 0;
  for (const at of positions(y)) {
    const firstChannel = Math.floor(at[1]! / perGroup) * w[1]!;
    for (const tap of positions(w.slice(1))) {
      let [from, inside] = [at[0]! * xs[0]! + (firstChannel + tap[0]!) * xs[1]!, true];
      for (let i = 0; i < rank; i++) {
        const p = at[i + 2]! * strides![i]! - pads![i]! + tap[i + 1]! * (dilations?.[i] ?? 1);
        inside &&= p >= 0 && p < x[i + 2]!;
        from += p * xs[i + 2]!;
      }
      if (inside) visit(from, at[1]! * ws[0]! + tap.reduce((sum, t, i) => sum + t * ws[i + 1]!, 0), output);
    }
    output++;
  }
}

const convolution: Kernel = ([x, w], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(x!.shape, w!.shape, shape, attributes, (i, j, k) => (data[k]! += x!.data[i]! * w!.data[j]!));
  return [{ shape, data }];
};

const convolutionInputGradient: Kernel = ([dy, w], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(shape, w!.shape, dy!.shape, attributes, (i, j, k) => (data[i]! += dy!.data[k]! * w!.data[j]!));
  return [{ shape, data }];
};

const convolutionWeightGradient: Kernel = ([x, dy], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(x!.shape, shape, dy!.shape, attributes, (i, j, k) => (data[j]! += x!.data[i]! * dy!.data[k]!));
  return [{ shape, data }];
};

const pooled: Kernel = ([x], attributes, node) => {
  const { kernel_shape: kernel, strides, pads } = attributes as Record<string, number[]>;
  const shape = node.outputs[0]!.shape;
  const xs = stridesOf(x!.shape);
  const indices = generate(shape, (at) => {
    let [best, largest] = [-1, -Infinity];
    for (const tap of positions(kernel!)) {
      const p = tap.map((t, i) => at[i + 2]! * strides![i]! - pads![i]! + t);
      if (p.some((q, i) => q < 0 || q >= x!.shape[i + 2]!)) continue;
      const index = at[0]! * xs[0]! + at[1]! * xs[1]! + p.reduce((sum, q, i) => sum + q * xs[i + 2]!, 0);
      if (x!.data[index]! > largest) [best, largest] = [index, x!.data[index]!];
    }
    return best;
  });
  return [{ shape, data: Array.from(indices.data, (index) => x!.data[index]!) }, indices];
};

const pooledGradient: Kernel = ([dy, indices, x]) => {
  const data = new Float64Array(x!.data.length);
  Array.from(dy!.data).forEach((d, i) => (data[indices!.data[i]!]! += d));
  return [{ shape: x!.shape, data }];
};

/** Same stride along both axes, and padding on all sides. */
export const square = (stride: number, padding: number) => ({
  strides: [stride, stride],
  pads: [padding, padding, padding, padding],
});
const uneven = { strides: [2, 1], pads: [1, 0, 0, 2] };

const convolutions: [string, Shape, Shape, { strides: number[]; pads: number[] }][] = [
  ['3x3 of stride 1', [2, 3, 5, 6], [4, 3, 3, 3], square(1, 1)],
  ['3x3 of stride 1 at an image too large for patches', [2, 2, 9, 9], [3, 2, 3, 3], square(1, 1)],
  ['3x3 of stride 2', [2, 3, 6, 8], [4, 3, 3, 3], square(2, 1)],
  ['3x3 of stride 2 at odd extents, odd batch', [3, 2, 7, 5], [4, 2, 3, 3], square(2, 1)],
  ['3x3 of stride 2 at a large image', [2, 2, 18, 17], [3, 2, 3, 3], square(2, 1)],
  ['7x7 of stride 2', [2, 3, 20, 19], [4, 3, 7, 7], square(2, 3)],
  ['1x1 of stride 2', [2, 3, 6, 6], [5, 3, 1, 1], square(2, 0)],
  ['1x1 of stride 2 at a large image', [2, 2, 18, 18], [3, 2, 1, 1], square(2, 0)],
  ['1x1 of stride 1', [2, 3, 4, 4], [5, 3, 1, 1], square(1, 0)],
  ['4x4 of stride 4', [2, 3, 12, 12], [5, 3, 4, 4], square(4, 0)],
  ['a kernel, strides and pads that differ by axis', [2, 2, 7, 5], [3, 2, 3, 2], uneven],
];

export const convolutionTests = {
  Conv: {
    kernel: convolution,
    entries: convolutions.map(([what, x, w, attributes]): Entry => ({
      what,
      inputs: [x, w],
      build: (g, a, b) => ops.conv(g, a, b, attributes),
    })),
  },
  ConvInputGradient: { kernel: convolutionInputGradient },
  ConvWeightGradient: { kernel: convolutionWeightGradient },
  ConvTranspose: {
    kernel: convolutionInputGradient,
    entries: [
      {
        what: 'with padding of the output',
        inputs: [
          [2, 3, 3, 4],
          [3, 2, 3, 3],
        ],
        build: (g, x, w) => ops.convTranspose(g, x, w, { ...square(2, 1), output_padding: [1, 0] }),
      },
    ],
  },
  MaxPool: {
    kernel: pooled,
    entries: [
      {
        what: 'overlapping windows with padding',
        inputs: [[2, 3, 7, 6]],
        build: (g, x) => maxPool(g, x, { kernel_shape: [3, 3], ...square(2, 1) }),
      },
      {
        what: 'equal maxima',
        ambiguous: true,
        inputs: [[1, 2, 6, 6]],
        domain: (x) => Math.sign(x),
        build: (g, x) => maxPool(g, x, { kernel_shape: [3, 3], ...square(2, 1) }),
      },
      {
        what: 'a last row in no window',
        inputs: [[2, 1, 5, 7]],
        build: (g, x) => maxPool(g, x, { kernel_shape: [2, 2], ...square(2, 0) }),
      },
    ],
  },
  MaxPoolGradient: { kernel: pooledGradient },
} satisfies OperatorTests;
