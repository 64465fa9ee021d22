// Convolutions and their gradients as matrix products over all images of a batch.
//
// Shape legend: N images, C and K channels, P = N Ho Wo pixels of the result, R S kernel.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { reduceSum } from './broadcast.ts';
import { gather } from './indexing.ts';
import { gemm } from './linalg.ts';
import { concat, cut, pad, transpose } from './movement.ts';
import { patchRows, scatterRows, type Geometry } from './patches.ts';
import { reshape } from './reshape.ts';

/** The convolution itself; `image`: extents of the result. */
export function convByPatches(
  g: GraphBuilder,
  x: Value,
  w: Value,
  geometry: Geometry,
  image: readonly number[],
): Value {
  const [k, c, ...kernel] = w.shape as [number, number, ...number[]];
  const rows = patchRows({ ...geometry, kernel, batch: x.shape[0]!, image: x.shape.slice(2), output: image });
  const weight = reshape(g, transpose(g, w, [0, 2, 3, 1]), [k, sizeOf(kernel) * c]);
  return patchProduct(g, x, rows, weight, true, image);
}

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

/** Padding of a stride-1 convolution turned around. */
export const turnedPads = (kernel: readonly number[], { pads }: Geometry): number[] =>
  pads.map((p, i) => kernel[i % 2]! - 1 - p);

/** Stride 1: a convolution of the output gradient, by patches; turning the kernel is a matter of which rows are picked. */
export function inputGradientByPatches(
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
export function inputGradientByColumns(
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

/** For each kernel position, the pixels that it meets times the output gradient: [K,P] x [P,C]. */
export function weightGradientByShifts(
  g: GraphBuilder,
  x: Value,
  dy: Value,
  geometry: Geometry,
  kernel: readonly number[],
): Value {
  const gradients = channelRows(g, dy);
  const products = pixelsByPosition(g, x, dy, geometry, kernel).map((pixels) => {
    const product = gemm(g, gradients, pixels, { transA: 0, transB: 1 });
    return reshape(g, product, [...product.shape, 1]);
  });
  const all = products.length === 1 ? products[0]! : concat(g, products, 2);
  return reshape(g, all, [...all.shape.slice(0, 2), ...kernel]);
}

/** The pixels of all kernel positions side by side, and one product: [K,P] x [P,CRS]. */
export function weightGradientByPatches(
  g: GraphBuilder,
  x: Value,
  dy: Value,
  geometry: Geometry,
  kernel: readonly number[],
): Value {
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
