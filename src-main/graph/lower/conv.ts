// Gradients of 2-D convolutions in standard operators.

import type { GraphBuilder, Value } from '../graph.ts';
import type { Lowering } from './lower.ts';
import { conv, convTranspose } from '../ops/conv.ts';
import { reshape, slice, transpose } from '../ops/movement.ts';
import { reduceSum } from '../ops/reduction.ts';

type Pair = readonly [number, number];

interface Geometry {
  strides: Pair;
  /** Top, left, bottom, right. */
  pads: readonly [number, number, number, number];
}

export const lowerConvInputGradient: Lowering = (g, { inputs: [dy, w], attributes }) => {
  const { strides, pads } = attributes as unknown as Geometry;
  const image = attributes.image as unknown as Pair;
  const outputPadding = image.map((extent, i) => {
    const covered = (dy!.shape[i + 2]! - 1) * strides[i]! + w!.shape[i + 2]! - pads[i]! - pads[i + 2]!;
    return extent - covered;
  });
  return [convTranspose(g, dy!, w!, { strides, pads, output_padding: outputPadding })];
};

/**
 * One 3-D convolution: the images as channels of a single image [1,N,H,W,C], the output gradient as its kernel [K,N,Ho,Wo,1], the
 * stride as dilation; the result is [1,K,R,S,C].
 */
export const lowerConvWeightGradient: Lowering = (g, { inputs: [x, dy], attributes }) => {
  const { strides, pads } = attributes as unknown as Geometry;
  const [rows, columns] = attributes.kernel as unknown as Pair;
  return [imagesAsChannels(g, x!, dy!, { strides, pads }, [rows, columns])];
};

/** Images are split in this many groups, a fixed number so that results do not depend on threads; the groups' sums are added. */
const groupsOf = (batch: number) => (batch % 2 === 0 ? 2 : 1);

function imagesAsChannels(g: GraphBuilder, x: Value, dy: Value, { strides, pads }: Geometry, [r, s]: Pair): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const [, k, ho, wo] = dy.shape as [number, number, number, number];
  const groups = groupsOf(n);
  // Padding after the image so that the result has exactly r by s entries; rows that no kernel position reaches are cut off.
  const after = [(ho - 1) * strides[0] + r - h - pads[0], (wo - 1) * strides[1] + s - w - pads[1]] as const;
  const cut = slice(g, x, [2, 3], [0, 0], [h + Math.min(after[0], 0), w + Math.min(after[1], 0)]);
  const image = reshape(g, transpose(g, after.some((e) => e < 0) ? cut : x, [0, 2, 3, 1]), [
    1,
    n,
    cut.shape[2]!,
    cut.shape[3]!,
    c,
  ]);
  const kernel = transpose(g, reshape(g, dy, [groups, n / groups, k, ho, wo]), [0, 2, 1, 3, 4]);
  const result = conv(g, image, reshape(g, kernel, [groups * k, n / groups, ho, wo, 1]), {
    strides: [1, 1, 1],
    pads: [pads[0], pads[1], 0, Math.max(after[0], 0), Math.max(after[1], 0), 0],
    dilations: [strides[0], strides[1], 1],
    group: groups,
  });
  const summed = reduceSum(g, reshape(g, result, [groups, k, r, s, c]), [0], false);
  return transpose(g, summed, [0, 3, 1, 2]);
}
