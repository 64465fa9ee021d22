// Weight gradients of 2-D convolutions. Shape legend: N images, C and K channels, P = N Ho Wo pixels of the result, R S kernel.
//
// On the CPU (bench/results.md) and on WebGPU one 3-D convolution; on CUDA, where cuDNN has no good algorithm for that, rules choose
// (formulations.ts) between it and matrix products over all pixels of the batch: one per kernel position (`shifted`), or one of patches.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { conv } from '../ops/conv.ts';
import { CudnnConvWeightGradient } from '../ops/cudnn.ts';
import { gemm } from '../ops/linalg.ts';
import { concat, cut, pad, transpose } from '../ops/movement.ts';
import { reshape } from '../ops/reshape.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { convShapeClass, isSmall, readGeometry } from './conv.ts';
import { chooseFormulation } from './formulations.ts';
import type { Lowering } from './lowering.ts';
import type { Geometry } from './patches.ts';

export const lowerConvWeightGradient: Lowering = (
  g,
  { inputs: [x, dy], outputs: [dw], attributes },
  provider,
  options,
) => {
  const geometry = readGeometry(attributes);
  const kernel = attributes.kernel as readonly number[];
  if (provider !== 'cuda')
    return [imagesAsChannels(g, x!, dy!, geometry, kernel, provider === 'cpu' ? groupsOf(dy!) : 1)];
  switch (chooseFormulation('ConvWeightGradient', convShapeClass(dw!, dy!, geometry), options)) {
    case 'shifted':
      return [shiftedProducts(g, x!, dy!, geometry, kernel)];
    case 'patches':
      return [patchProduct(g, x!, dy!, geometry, kernel)];
    case 'convolution3d':
      return [imagesAsChannels(g, x!, dy!, geometry, kernel, 1)];
    case 'cudnn':
      return g.add(CudnnConvWeightGradient, [x!, dy!], { ...geometry, kernel });
  }
};

/** For each kernel position, the pixels that it meets times the output gradient: [K,P] x [P,C]. */
function shiftedProducts(g: GraphBuilder, x: Value, dy: Value, geometry: Geometry, kernel: readonly number[]): Value {
  const gradients = channelRows(g, dy);
  const products = pixelsByPosition(g, x, dy, geometry, kernel).map((pixels) => {
    const product = gemm(g, gradients, pixels, { transA: 0, transB: 1 });
    return reshape(g, product, [...product.shape, 1]);
  });
  const all = products.length === 1 ? products[0]! : concat(g, products, 2);
  return reshape(g, all, [...all.shape.slice(0, 2), ...kernel]);
}

/** The same pixels side by side, and one product: [K,P] x [P,CRS]. */
function patchProduct(g: GraphBuilder, x: Value, dy: Value, geometry: Geometry, kernel: readonly number[]): Value {
  const byPosition = pixelsByPosition(g, x, dy, geometry, kernel).map((pixels) => {
    const [c, count] = pixels.shape as [number, number];
    return reshape(g, pixels, [c, 1, count]);
  });
  const all = byPosition.length === 1 ? byPosition[0]! : concat(g, byPosition, 1);
  const [c, taps, count] = all.shape as [number, number, number];
  const gradients = channelRows(g, dy);
  const product = gemm(g, gradients, reshape(g, all, [c * taps, count]), { transA: 0, transB: 1 });
  return reshape(g, product, [product.shape[0]!, c, ...kernel]);
}

/** [N,C,h,w] as [C,N*h*w]. */
function channelRows(g: GraphBuilder, x: Value): Value {
  const channels = x.shape[1]!;
  return reshape(g, transpose(g, x, [1, 0, 2, 3]), [channels, sizeOf(x.shape) / channels]);
}

/**
 * For each kernel position, in row-major order, the pixel that it meets at each position of the result: [C,P]. The images are
 * transposed and padded once, to whole strides; a position is then one Slice, at larger strides of the image seen as [.., rows, stride, ..].
 */
function pixelsByPosition(
  g: GraphBuilder,
  x: Value,
  dy: Value,
  { strides, pads }: Geometry,
  kernel: readonly number[],
): Value[] {
  const [n, c, ...image] = x.shape as [number, number, number, number];
  const output = dy.shape.slice(2);
  const blocks = output.map((extent, i) => extent + Math.floor((kernel[i]! - 1) / strides[i]!));
  const after = blocks.map((count, i) => count * strides[i]! - image[i]! - pads[i]!);
  const needed = image.map((extent, i) => extent + Math.min(after[i]!, 0));
  const channelsFirst = transpose(g, cut(g, x, [2, 3], [0, 0], needed), [1, 0, 2, 3]);
  const padded = pad(g, channelsFirst, [0, 0, pads[0]!, pads[1]!, 0, 0, ...after.map((extent) => Math.max(extent, 0))]);
  const seen = reshape(g, padded, [c, n, blocks[0]!, strides[0]!, blocks[1]!, strides[1]!]);
  return Array.from({ length: sizeOf(kernel) }, (_, tap) => {
    const position = [Math.floor(tap / kernel[1]!), tap % kernel[1]!];
    const starts = position.flatMap((at, i) => [Math.floor(at / strides[i]!), at % strides[i]!]);
    const ends = output.flatMap((extent, i) => [starts[2 * i]! + extent, starts[2 * i + 1]! + 1]);
    return reshape(g, cut(g, seen, [2, 3, 4, 5], starts, ends), [c, n * sizeOf(output)]);
  });
}

/**
 * Large images are split in two groups for the sake of threads, a fixed number so that results do not depend on how many there are.
 * WebGPU has no 3-D convolution in groups.
 */
const groupsOf = (dy: Value) => (dy.shape[0]! % 2 === 0 && !isSmall(dy.shape.slice(2)) ? 2 : 1);

/**
 * One 3-D convolution: the images as channels of a single image [1,N,H,W,C], the output gradient as its kernel [K,N,Ho,Wo,1], the
 * stride as dilation; the result is [1,K,R,S,C].
 */
function imagesAsChannels(
  g: GraphBuilder,
  x: Value,
  dy: Value,
  { strides, pads }: Geometry,
  kernel: readonly number[],
  groups: number,
): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const [, k, ho, wo] = dy.shape as [number, number, number, number];
  const [r, s] = kernel as [number, number];
  // Padding after the image so that the result has exactly r by s entries; rows that no kernel position reaches are cut off.
  const after = [(ho - 1) * strides[0]! + r - h - pads[0]!, (wo - 1) * strides[1]! + s - w - pads[1]!] as const;
  const reached = cut(g, x, [2, 3], [0, 0], [h + Math.min(after[0], 0), w + Math.min(after[1], 0)]);
  const image = reshape(g, transpose(g, reached, [0, 2, 3, 1]), [1, n, reached.shape[2]!, reached.shape[3]!, c]);
  const gradients = transpose(g, reshape(g, dy, [groups, n / groups, k, ho * wo]), [0, 2, 1, 3]);
  const result = conv(g, image, reshape(g, gradients, [groups * k, n / groups, ho, wo, 1]), {
    strides: [1, 1, 1],
    pads: [pads[0]!, pads[1]!, 0, Math.max(after[0], 0), Math.max(after[1], 0), 0],
    dilations: [strides[0]!, strides[1]!, 1],
    group: groups,
  });
  const summed = groups === 1 ? result : reduceSum(g, reshape(g, result, [groups, k, r, s, c]), [0], false);
  // One transposition of four axes: its result can be the caller's memory, which that of a Reshape cannot without a copy.
  return r * s === 1 ? reshape(g, summed, [k, c, 1, 1]) : transpose(g, reshape(g, summed, [k, r, s, c]), [0, 3, 1, 2]);
}
