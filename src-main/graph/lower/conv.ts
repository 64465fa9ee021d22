// 2-D convolutions and their gradients in standard operators.
//
// Formulations for the CPU provider, chosen by measurement (bench/results.md): the runtime's Conv is close to the peak of the machine at
// large images, but not with few pixels per image, where one matrix product over all images is (`patchProduct`). Its ConvTranspose is
// slow: at stride 1 the input gradient is a Conv with the kernel turned around. A weight gradient is one 3-D Conv.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { conv, convTranspose } from '../ops/conv.ts';
import { gather } from '../ops/indexing.ts';
import { gemm } from '../ops/linalg.ts';
import { pad, reshape, slice, transpose } from '../ops/movement.ts';
import { reduceSum } from '../ops/reduction.ts';
import type { Lowering } from './lower.ts';
import { patchRows, scatterRows, type Geometry } from './patches.ts';

/** Images of at most this many pixels are convolved as one matrix product over the batch. */
const smallImage = 64;

const isSmall = (image: readonly number[]) => sizeOf(image) <= smallImage;

export const lowerConv: Lowering = (g, { inputs: [x, w], outputs: [y], attributes }, provider) => {
  const geometry = readGeometry(attributes);
  const kernel = w!.shape.slice(2);
  const image = y!.shape.slice(2);
  const plain = x!.shape.length === 4 && (attributes.group ?? 1) === 1 && attributes.dilations === undefined;
  if (provider !== 'cpu' || !plain || !isSmall(image) || sizeOf(kernel) === 1) return null;
  const rows = patchRows({ ...geometry, kernel, batch: x!.shape[0]!, image: x!.shape.slice(2), output: image });
  const [k, c] = w!.shape as [number, number];
  const weight = reshape(g, transpose(g, w!, [0, 2, 3, 1]), [k, sizeOf(kernel) * c]);
  return [patchProduct(g, x!, rows, weight, true, image)];
};

export const lowerConvInputGradient: Lowering = (g, { inputs: [dy, w], attributes }, provider) => {
  const geometry = readGeometry(attributes);
  const image = attributes.image as readonly number[];
  const stride1 = geometry.strides.every((stride) => stride === 1);
  if (provider === 'cpu' && isSmall(image)) {
    return [
      stride1
        ? inputGradientByPatches(g, dy!, w!, geometry, image)
        : inputGradientByColumns(g, dy!, w!, geometry, image),
    ];
  }
  if (stride1) return [inputGradientByConv(g, dy!, w!, geometry, image)];
  const output_padding = image.map(
    (extent, i) => extent - coveredExtent(dy!.shape[i + 2]!, w!.shape[i + 2]!, geometry, i),
  );
  return [convTranspose(g, dy!, w!, { strides: geometry.strides, pads: geometry.pads, output_padding })];
};

export const lowerConvWeightGradient: Lowering = (g, { inputs: [x, dy], attributes }, provider) => {
  const groups = provider === 'cpu' ? groupsOf(dy!) : 1;
  return [imagesAsChannels(g, x!, dy!, readGeometry(attributes), attributes.kernel as readonly number[], groups)];
};

function readGeometry(attributes: object): Geometry {
  const { strides, pads } = attributes as Geometry;
  return { strides, pads };
}

/** Extent of the image that output positions reach. */
const coveredExtent = (outputs: number, kernel: number, { strides, pads }: Geometry, axis: number): number =>
  (outputs - 1) * strides[axis]! + kernel - pads[axis]! - pads[axis + 2]!;

/** Padding of a stride-1 convolution turned around. */
const turnedPads = (kernel: readonly number[], { pads }: Geometry): number[] =>
  pads.map((p, i) => kernel[i % 2]! - 1 - p);

/** Rows of patches times a weight, [N,C,h,w] to [N,K,*image]. `weight` is [K,patch], or [patch,K] where not transposed. */
function patchProduct(
  g: GraphBuilder,
  x: Value,
  rows: number[],
  weight: Value,
  transposed: boolean,
  image: readonly number[],
): Value {
  const [n, c] = x.shape as [number, number];
  const pixels = n * sizeOf(image);
  const patches = reshape(g, pickRows(g, channelsLast(g, x), rows), [pixels, (rows.length / pixels) * c]);
  const product = gemm(g, patches, weight, { transA: 0, transB: transposed ? 1 : 0 });
  return channelsFirst(g, product, n, image);
}

/** Rows of a matrix by index; the index after the last row is a row of zeros. */
function pickRows(g: GraphBuilder, matrix: Value, rows: number[]): Value {
  const zeroRow = matrix.shape[0]!;
  const source = rows.includes(zeroRow) ? pad(g, matrix, [0, 0, 1, 0]) : matrix;
  return gather(g, source, g.constant('int64', [rows.length], rows), 0);
}

/** [N,C,h,w] as [N*h*w,C]. */
function channelsLast(g: GraphBuilder, x: Value): Value {
  const [n, c, ...image] = x.shape as [number, number, ...number[]];
  return reshape(g, transpose(g, reshape(g, x, [n, c, sizeOf(image)]), [0, 2, 1]), [n * sizeOf(image), c]);
}

/** [N*h*w,C] as [N,C,h,w]. */
function channelsFirst(g: GraphBuilder, rows: Value, n: number, image: readonly number[]): Value {
  const c = rows.shape[1]!;
  return reshape(g, transpose(g, reshape(g, rows, [n, sizeOf(image), c]), [0, 2, 1]), [n, c, ...image]);
}

/** [K,C,R,S] with both kernel axes reversed. */
function turnedKernel(g: GraphBuilder, w: Value): Value {
  const [k, c, r, s] = w.shape as [number, number, number, number];
  const order = Array.from({ length: r * s }, (_, i) => r * s - 1 - i);
  return reshape(g, gather(g, reshape(g, w, [k, c, r * s]), g.constant('int64', [r * s], order), 2), w.shape);
}

function inputGradientByConv(
  g: GraphBuilder,
  dy: Value,
  w: Value,
  geometry: Geometry,
  image: readonly number[],
): Value {
  const kernel = w.shape.slice(2);
  const pads = turnedPads(kernel, geometry);
  const reached = pads.slice(0, 2).map((_, i) => dy.shape[i + 2]! + pads[i]! + pads[i + 2]! - kernel[i]! + 1);
  const after = image.map((extent, i) => pads[i + 2]! + extent - reached[i]!);
  const turned = sizeOf(kernel) === 1 ? w : turnedKernel(g, w);
  return conv(g, dy, transpose(g, turned, [1, 0, 2, 3]), { strides: [1, 1], pads: [pads[0]!, pads[1]!, ...after] });
}

/** Stride 1: a convolution of the output gradient, by patches; turning the kernel is a matter of which rows are picked. */
function inputGradientByPatches(
  g: GraphBuilder,
  dy: Value,
  w: Value,
  geometry: Geometry,
  image: readonly number[],
): Value {
  const [k, c, ...kernel] = w.shape as [number, number, ...number[]];
  const turned = { strides: [1, 1], pads: turnedPads(kernel, geometry) };
  const rows = patchRows({
    ...turned,
    kernel,
    batch: dy.shape[0]!,
    image: dy.shape.slice(2),
    output: image,
    turned: true,
  });
  const weight = reshape(g, transpose(g, reshape(g, w, [k, c, sizeOf(kernel)]), [2, 0, 1]), [sizeOf(kernel) * k, c]);
  return patchProduct(g, dy, rows, weight, false, image);
}

/** Larger strides: what each output pixel gives to the pixels of its patch, in one product, then summed per pixel of the image. */
function inputGradientByColumns(
  g: GraphBuilder,
  dy: Value,
  w: Value,
  geometry: Geometry,
  image: readonly number[],
): Value {
  const [k, c, ...kernel] = w.shape as [number, number, ...number[]];
  const n = dy.shape[0]!;
  const taps = sizeOf(kernel);
  const weight = reshape(g, transpose(g, w, [0, 2, 3, 1]), [k, taps * c]);
  const columns = gemm(g, channelsLast(g, dy), weight, { transA: 0, transB: 0 });
  const given = reshape(g, columns, [columns.shape[0]! * taps, c]);
  const { rows, perPixel } = scatterRows({ ...geometry, kernel, batch: n, image, output: dy.shape.slice(2) });
  const contributions = reshape(g, pickRows(g, given, rows), [n * sizeOf(image), perPixel, c]);
  return channelsFirst(g, reduceSum(g, contributions, [1], false), n, image);
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
  const reached = after.some((e) => e < 0)
    ? slice(g, x, [2, 3], [0, 0], [h + Math.min(after[0], 0), w + Math.min(after[1], 0)])
    : x;
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
