// Max-pooling. Average pooling over the whole image is ReduceMean.

import { add1, sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { expand } from './broadcast.ts';
import { conv, convExtent, convTranspose, evenConvTranspose } from './conv.ts';
import { cast, equal, mul } from './elementwise.ts';
import { scatterAdd } from './indexing.ts';
import { reduceMax } from './reduction.ts';
import { reshape } from './reshape.ts';

type MaxPoolAttributes = {
  kernel_shape: readonly number[];
  strides: readonly number[];
  pads: readonly number[];
};

/** Input [N,C,H,W]; outputs: the maxima, and the index of each in the flattened input (the first where several are equal). */
export const MaxPool: Op<MaxPoolAttributes> = {
  type: 'MaxPool',
  kind: 'onnx',
  optionalOutputs: true,
  infer(inputs, attributes) {
    const x = inputs[0]!;
    const { kernel_shape, strides, pads } = attributes;
    if (x.shape.length !== kernel_shape.length + 2)
      throw shapeError('MaxPool', 'kernel does not fit the image', inputs, attributes);
    const rank = kernel_shape.length;
    const spatial = kernel_shape.map((kernel, i) =>
      convExtent(x.shape[i + 2]!, kernel, strides[i]!, pads[i]! + pads[i + rank]!),
    );
    const shape = [x.shape[0]!, x.shape[1]!, ...spatial];
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  flops: ({ outputs, attributes }) => sizeOf(outputs[0]!.shape) * sizeOf(attributes.kernel_shape),
  saves: { inputs: [0], outputs: [0, 1] },
  gradient: ({ g, saved: [x, y, indices], attributes, outputGradients: [dy] }) => [
    add1(g, MaxPoolGradient, [dy!, indices!, x!, y!], attributes),
  ],
};

/** Composite. Inputs: dy, then indices, x and y of the MaxPool. Output: each gradient added where its maximum was. */
export const MaxPoolGradient: Op<MaxPoolAttributes> = {
  type: 'MaxPoolGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, attributes) {
    const [dy, indices, x, y] = inputs;
    if (!sameShape(dy!.shape, y!.shape) || !sameShape(indices!.shape, y!.shape))
      throw shapeError('MaxPoolGradient', 'gradient, indices and maxima differ', inputs, attributes);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  /** WebGPU gives no indices, and on CUDA adding at repeated indices has no fixed order: both compare instead. */
  lower(g, { inputs, attributes }, provider) {
    const [dy, indices, x, y] = inputs as [Value, Value, Value, Value];
    if (provider === 'cpu') return [byIndices(g, dy, indices, x)];
    return [byComparison(g, dy, x, y, attributes, provider === 'cuda' ? evenConvTranspose : convTranspose)];
  },
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

export const maxPool = (g: GraphBuilder, x: Value, attributes: MaxPoolAttributes) => add1(g, MaxPool, [x], attributes);

export const poolOps = { MaxPool, MaxPoolGradient };
