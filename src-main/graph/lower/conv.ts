// 2-D convolutions and their gradients in standard operators.
//
// Formulations for the CPU provider, chosen by measurement (bench/results.md): the runtime's Conv is close to the peak of the machine at
// large images, but not with few pixels per image, where one matrix product over all images is (`patchProduct`). Its ConvTranspose is
// slow: at stride 1 the input gradient is a Conv with the kernel turned around. On CUDA rules choose (formulations.ts). Weight gradients
// are in weightGradient.ts.

import { sizeOf, type GraphBuilder, type TensorType, type Value } from '../graph.ts';
import { conv, convTranspose, type ConvTransposeAttributes } from '../ops/conv.ts';
import { CudnnConvInputGradient } from '../ops/cudnn.ts';
import { gather } from '../ops/indexing.ts';
import { gemm } from '../ops/linalg.ts';
import { cut, pad, transpose } from '../ops/movement.ts';
import { reshape } from '../ops/reshape.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { chooseFormulation, type ShapeClass } from './formulations.ts';
import type { Lowering } from './lowering.ts';
import { patchRows, scatterRows, type Geometry } from './patches.ts';

/** Images of at most this many pixels are convolved as one matrix product over the batch. */
const smallImage = 64;

export const isSmall = (image: readonly number[]) => sizeOf(image) <= smallImage;

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

export const lowerConvInputGradient: Lowering = (g, { inputs: [dy, w], attributes }, provider, options) => {
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
  if (provider !== 'cuda') {
    if (stride1) return [inputGradientByConv(g, dy!, w!, geometry, image)];
    return [convTranspose(g, dy!, w!, { ...geometry, output_padding: outputPadding(dy!, w!, geometry, image) })];
  }
  const shape = convShapeClass(w!, dy!, geometry);
  switch (chooseFormulation('ConvInputGradient', shape, options)) {
    case 'convolution':
      return [inputGradientByConv(g, spread(g, dy!, geometry.strides), w!, geometry, image)];
    case 'transposed':
      return [evenConvTranspose(g, dy!, w!, { ...geometry, output_padding: outputPadding(dy!, w!, geometry, image) })];
    case 'cudnn':
      return g.add(CudnnConvInputGradient, [dy!, w!], { ...geometry, image });
  }
};

/** `w` and `dy`: weight (or its gradient) and output gradient of a convolution. */
export const convShapeClass = (w: TensorType, dy: TensorType, { strides }: Geometry): ShapeClass => ({
  channels: w.shape[1]!,
  pixels: sizeOf(dy.shape.slice(2)),
  stride: Math.max(...strides),
  taps: sizeOf(w.shape.slice(2)),
});

export function readGeometry(attributes: object): Geometry {
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

/** Stride 1; at larger strides, of the output gradient spread out. Zeros at its end that no pixel needs are cut off. */
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
  const needed = after.map((pad, i) => dy.shape[i + 2]! + Math.min(pad, 0));
  const turned = sizeOf(kernel) === 1 ? w : turnedKernel(g, w);
  return conv(g, cut(g, dy, [2, 3], [0, 0], needed), transpose(g, turned, [1, 0, 2, 3]), {
    strides: [1, 1],
    pads: [pads[0]!, pads[1]!, ...after.map((pad) => Math.max(pad, 0))],
  });
}

/** Each pixel followed by stride - 1 zeros along both axes of the image. */
function spread(g: GraphBuilder, dy: Value, strides: readonly number[]): Value {
  const [n, k, ho, wo] = dy.shape as [number, number, number, number];
  const [down, across] = strides as [number, number];
  const apart = reshape(g, dy, [n, k, ho, 1, wo, 1]);
  return reshape(g, pad(g, apart, [0, 0, 0, 0, 0, 0, 0, 0, 0, down - 1, 0, across - 1]), [
    n,
    k,
    ho * down,
    wo * across,
  ]);
}

/** How much further than its output positions reach the image of a convolution goes. */
const outputPadding = (dy: Value, w: Value, geometry: Geometry, image: readonly number[]): number[] =>
  image.map((extent, i) => extent - coveredExtent(dy.shape[i + 2]!, w.shape[i + 2]!, geometry, i));

/** A transposed convolution that CUDA can do: unequal pads are cut off its result, since its kernel takes equal ones only. */
export function evenConvTranspose(g: GraphBuilder, x: Value, w: Value, attributes: ConvTransposeAttributes): Value {
  const { strides, pads, output_padding } = attributes;
  const [top, left, bottom, right] = pads as [number, number, number, number];
  if (top === bottom && left === right) return convTranspose(g, x, w, attributes);
  const extra = [Math.max(output_padding[0]! - bottom, 0), Math.max(output_padding[1]! - right, 0)];
  const whole = convTranspose(g, x, w, { strides, pads: [0, 0, 0, 0], output_padding: extra });
  const extents = [0, 1].map((i) => whole.shape[i + 2]! - extra[i]! + output_padding[i]! - pads[i]! - pads[i + 2]!);
  return cut(g, whole, [2, 3], [top, left], [top + extents[0]!, left + extents[1]!]);
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
