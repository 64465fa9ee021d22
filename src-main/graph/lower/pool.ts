// The gradient of max-pooling in standard operators.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { conv, convTranspose } from '../ops/conv.ts';
import { cast, equal, mul } from '../ops/elementwise.ts';
import { scatterAdd } from '../ops/indexing.ts';
import { expand } from '../ops/broadcast.ts';
import { reshape } from '../ops/reshape.ts';
import type { MaxPoolAttributes } from '../ops/pool.ts';
import { reduceMax } from '../ops/reduction.ts';
import { evenConvTranspose } from './conv.ts';
import type { Lowering } from './lowering.ts';

/** WebGPU gives no indices, and on CUDA adding at repeated indices has no fixed order: both compare instead. */
export const lowerMaxPoolGradient: Lowering = (g, { inputs, attributes }, provider) => {
  const [dy, indices, x, y] = inputs as [Value, Value, Value, Value];
  return [
    provider === 'cpu'
      ? byIndices(g, dy, indices, x)
      : byComparison(
          g,
          dy,
          x,
          y,
          attributes as MaxPoolAttributes,
          provider === 'cuda' ? evenConvTranspose : convTranspose,
        ),
  ];
};

function byIndices(g: GraphBuilder, dy: Value, indices: Value, x: Value): Value {
  const flat = [sizeOf(dy.shape)];
  const zeros = expand(g, g.scalar(0), [sizeOf(x.shape)]);
  return reshape(g, scatterAdd(g, zeros, reshape(g, indices, flat), reshape(g, dy, flat), 0), x.shape);
}

/**
 * Each window's entries become channels (a convolution with one 1 per kernel); the first that equals the maximum gets the gradient, and
 * the transposed convolution brings it back to its place.
 */
function byComparison(
  g: GraphBuilder,
  dy: Value,
  x: Value,
  y: Value,
  attributes: MaxPoolAttributes,
  transposed: typeof convTranspose,
): Value {
  const { kernel_shape: kernel, strides, pads } = attributes;
  const [images, image, output] = [x.shape[0]! * x.shape[1]!, x.shape.slice(2), y.shape.slice(2)];
  const taps = sizeOf(kernel);
  const each = (value: Value) => reshape(g, value, [images, 1, ...value.shape.slice(2)]);
  const unit = Array.from({ length: taps * taps }, (_, i) => (i % (taps + 1) === 0 ? 1 : 0));
  const kernels = g.constant('float32', [taps, 1, ...kernel], unit);
  const entries = conv(g, each(x), kernels, { strides, pads });
  const score = mul(g, cast(g, equal(g, entries, each(y)), 'float32'), ranks(g, attributes, image, output));
  const first = cast(g, equal(g, score, reduceMax(g, score, [1], true)), 'float32');
  const output_padding = image.map(
    (extent, i) => extent - (output[i]! - 1) * strides[i]! - kernel[i]! + pads[i]! + pads[i + 2]!,
  );
  // Where pixels at the end are in no window, a negative padding would be needed; pads at the end take it up.
  const endPads = output_padding.map((extra, i) => pads[i + 2]! - Math.min(extra, 0));
  const back = transposed(g, mul(g, first, each(dy)), kernels, {
    strides,
    pads: [pads[0]!, pads[1]!, ...endPads],
    output_padding: output_padding.map((extra) => Math.max(extra, 0)),
  });
  return reshape(g, back, x.shape);
}

/** Falls from the first entry of a window to the last, 0 for padding: [1,taps,Ho,Wo]. */
function ranks(
  g: GraphBuilder,
  attributes: MaxPoolAttributes,
  image: readonly number[],
  output: readonly number[],
): Value {
  const { kernel_shape: kernel, strides, pads } = attributes;
  const taps = sizeOf(kernel);
  const [rows, columns] = output as [number, number];
  const data = Array.from({ length: taps * rows * columns }, (_, i) => {
    const [tap, row, column] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns];
    const h = row * strides[0]! - pads[0]! + Math.floor(tap / kernel[1]!);
    const w = column * strides[1]! - pads[1]! + (tap % kernel[1]!);
    return h >= 0 && h < image[0]! && w >= 0 && w < image[1]! ? taps - tap : 0;
  });
  return g.constant('float32', [1, taps, rows, columns], data);
}
