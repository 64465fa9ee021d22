// Convolution and its two gradients.
//
// Layout: images N,C,spatial...; weights K,C/group,kernel.... `pads`: before each spatial axis, then after each.
// ConvInputGradient and ConvWeightGradient are composites: which standard operators compute them fastest depends on the provider.
//
// Formulations for the CPU provider were chosen by measurement (bench/results.md): the runtime's Conv is close to the peak of the machine at
// large images, but not with few pixels per image, where one matrix product over all images is (convProducts.ts). Its ConvTranspose is
// slow: at stride 1 the input gradient is a Conv with the kernel turned around. Weight gradients on the CPU and on WebGPU are one 3-D
// convolution. On CUDA, where cuDNN has no good algorithm for that, rules choose (lower/formulations.ts).

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type GraphBuilder,
  type Op,
  type TensorType,
  type Value,
} from '../graph.ts';
import { chooseFormulation, type ShapeClass } from '../lower/formulations.ts';
import { reduceSum } from './broadcast.ts';
import {
  inputGradientByColumns,
  inputGradientByPatches,
  convByPatches,
  weightGradientByPatches,
  weightGradientByShifts,
  turnedPads,
} from './convProducts.ts';
import { convScratch } from './convScratch.ts';
import { onCudnn } from './cudnn.ts';
import { gather } from './indexing.ts';
import { cut, pad, transpose } from './movement.ts';
import type { Geometry } from './patches.ts';
import { reshape } from './reshape.ts';

type ConvAttributes = Geometry & {
  dilations?: readonly number[];
  group?: number;
};

export const convExtent = (image: number, kernel: number, stride: number, padding: number, dilation = 1): number =>
  Math.floor((image + padding - dilation * (kernel - 1) - 1) / stride) + 1;

function convShape(
  type: string,
  inputs: readonly Value[],
  { strides, pads, dilations, group = 1 }: ConvAttributes,
): number[] {
  const [x, w] = [inputs[0]!, inputs[1]!];
  const rank = x.shape.length - 2;
  if (
    w.shape.length !== rank + 2 ||
    strides.length !== rank ||
    pads.length !== 2 * rank ||
    x.shape[1] !== w.shape[1]! * group
  )
    throw shapeError(type, 'weight or attributes do not fit the image', inputs, { strides, pads, group });
  const spatial = strides.map((stride, i) =>
    convExtent(x.shape[i + 2]!, w.shape[i + 2]!, stride, pads[i]! + pads[i + rank]!, dilations?.[i]),
  );
  return [x.shape[0]!, w.shape[0]!, ...spatial];
}

/** Inputs: x [N,C,...], w [K,C/group,...]. Gradients exist for 2-D images in one group without dilation. */
export const Conv: Op<ConvAttributes> = {
  type: 'Conv',
  kind: 'onnx',
  infer: (inputs, attributes) => [{ dtype: inputs[0]!.dtype, shape: convShape('Conv', inputs, attributes) }],
  writtenBeside: ({ inputs: [, w] }) => {
    const kernel_shape = w!.shape.slice(2);
    return { kernel_shape, dilations: kernel_shape.map(() => 1), group: 1 };
  },
  flops: ({ inputs, outputs }) => 2 * sizeOf(outputs[0]!.shape) * sizeOf(inputs[1]!.shape.slice(1)),
  scratch: { arena: (node, threads) => [convScratch(node, threads)] },
  lower(g, { inputs: [x, w], outputs: [y], attributes }, provider) {
    const { strides, pads, dilations, group = 1 } = attributes;
    const image = y!.shape.slice(2);
    const plain = x!.shape.length === 4 && group === 1 && dilations === undefined;
    if (provider !== 'cpu' || !plain || !isSmall(image) || sizeOf(w!.shape.slice(2)) === 1) return null;
    return [convByPatches(g, x!, w!, { strides, pads }, image)];
  },
  saves: { inputs: [0, 1] },
  gradient({ g, saved, inputs, attributes, outputGradients, wanted }) {
    const [x, w] = saved as [Value, Value];
    const { strides, pads, dilations, group = 1 } = attributes;
    if (x.shape.length !== 4 || group !== 1 || dilations?.some((d) => d !== 1))
      throw shapeError('Conv', 'no gradient for groups, dilation or images that are not 2-D', inputs, attributes);
    const dy = outputGradients[0]!;
    return [
      wanted[0] ? convInputGradient(g, dy, w, { strides, pads, image: x.shape.slice(2) }) : null,
      wanted[1] ? convWeightGradient(g, x, dy, { strides, pads, kernel: w.shape.slice(2) }) : null,
    ];
  },
};

/** `image`: spatial extents of the convolution's input. */
type InputGradientAttributes = Geometry & { image: readonly number[] };

/** Composite. Inputs: dy [N,K,Ho,Wo], w [K,C,R,S]. Output [N,C,H,W]. */
export const ConvInputGradient: Op<InputGradientAttributes> = {
  type: 'ConvInputGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, { image }) {
    const [dy, w] = [inputs[0]!, inputs[1]!];
    if (dy.shape[1] !== w.shape[0]) throw shapeError('ConvInputGradient', 'channels differ', inputs);
    return [{ dtype: dy.dtype, shape: [dy.shape[0]!, w.shape[1]!, ...image] }];
  },
  flops: ({ inputs }) => 2 * sizeOf(inputs[0]!.shape) * sizeOf(inputs[1]!.shape.slice(1)),
  lower(g, { inputs: [dy, w], attributes: { strides, pads, image } }, provider, options) {
    const geometry = { strides, pads };
    const stride1 = strides.every((stride) => stride === 1);
    if (provider === 'cpu' && isSmall(image)) {
      const byProduct = stride1 ? inputGradientByPatches : inputGradientByColumns;
      return [byProduct(g, dy!, w!, geometry, image)];
    }
    if (provider !== 'cuda') {
      if (stride1) return [inputGradientByConv(g, dy!, w!, geometry, image)];
      return [convTranspose(g, dy!, w!, { ...geometry, output_padding: outputPadding(dy!, w!, geometry, image) })];
    }
    switch (chooseFormulation('ConvInputGradient', shapeClass(w!, dy!, geometry), options)) {
      case 'convolution':
        return [inputGradientByConv(g, spread(g, dy!, strides), w!, geometry, image)];
      case 'transposed':
        return [
          evenConvTranspose(g, dy!, w!, { ...geometry, output_padding: outputPadding(dy!, w!, geometry, image) }),
        ];
      case 'cudnn':
        return g.add(CudnnConvInputGradient, [dy!, w!], { ...geometry, image });
    }
  },
};

/** `kernel`: spatial extents of the weight. */
type WeightGradientAttributes = Geometry & { kernel: readonly number[] };

/** Composite. Inputs: x [N,C,H,W], dy [N,K,Ho,Wo]. Output [K,C,R,S]. */
export const ConvWeightGradient: Op<WeightGradientAttributes> = {
  type: 'ConvWeightGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, { kernel }) {
    const [x, dy] = [inputs[0]!, inputs[1]!];
    if (x.shape[0] !== dy.shape[0]) throw shapeError('ConvWeightGradient', 'batches differ', inputs);
    return [{ dtype: dy.dtype, shape: [dy.shape[1]!, x.shape[1]!, ...kernel] }];
  },
  flops: ({ inputs, attributes }) => 2 * sizeOf(inputs[1]!.shape) * inputs[0]!.shape[1]! * sizeOf(attributes.kernel),
  /** Rows are channels of the output gradient, columns channels of the image. */
  narrow(g, { inputs, attributes }, axis, pick) {
    const [x, dy] = inputs as [Value, Value];
    if (axis === 0) return convWeightGradient(g, x, pick(dy, 1), attributes);
    return axis === 1 ? convWeightGradient(g, pick(x, 1), dy, attributes) : null;
  },
  lower(g, { inputs: [x, dy], outputs: [dw], attributes: { strides, pads, kernel } }, provider, options) {
    const geometry = { strides, pads };
    if (provider !== 'cuda')
      return [imagesAsChannels(g, x!, dy!, geometry, kernel, provider === 'cpu' ? groupsOf(dy!) : 1)];
    switch (chooseFormulation('ConvWeightGradient', shapeClass(dw!, dy!, geometry), options)) {
      case 'shifted':
        return [weightGradientByShifts(g, x!, dy!, geometry, kernel)];
      case 'patches':
        return [weightGradientByPatches(g, x!, dy!, geometry, kernel)];
      case 'convolution3d':
        return [imagesAsChannels(g, x!, dy!, geometry, kernel, 1)];
      case 'cudnn':
        return g.add(CudnnConvWeightGradient, [x!, dy!], { ...geometry, kernel });
    }
  },
};

export const CudnnConvInputGradient: Op<InputGradientAttributes> = onCudnn(ConvInputGradient);
export const CudnnConvWeightGradient: Op<WeightGradientAttributes> = onCudnn(ConvWeightGradient);

type ConvTransposeAttributes = Geometry & {
  output_padding: readonly number[];
};

/** Inputs: x [N,K,...], w [K,C,...]: the input gradient of a convolution, as ONNX has it. */
export const ConvTranspose: Op<ConvTransposeAttributes> = {
  type: 'ConvTranspose',
  kind: 'onnx',
  /** onnxruntime/core/providers/cpu/nn/conv_transpose.cc. */
  scratch: { arena: ({ inputs: [x, w] }) => [4 * sizeOf(w!.shape.slice(1)) * sizeOf(x!.shape.slice(2))] },
  notDifferentiable: 'used in gradients only',
  infer(inputs, attributes) {
    const { strides, pads, output_padding } = attributes;
    const [x, w] = [inputs[0]!, inputs[1]!];
    const rank = strides.length;
    if (x.shape[1] !== w.shape[0] || !sameShape([rank, 2 * rank], [x.shape.length - 2, pads.length]))
      throw shapeError('ConvTranspose', 'weight or attributes do not fit the image', inputs, attributes);
    const spatial = strides.map(
      (stride, i) => (x.shape[i + 2]! - 1) * stride + w.shape[i + 2]! + output_padding[i]! - pads[i]! - pads[i + rank]!,
    );
    return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[1]!, ...spatial] }];
  },
  flops: ({ inputs }) => 2 * sizeOf(inputs[0]!.shape) * sizeOf(inputs[1]!.shape.slice(1)),
};

export const conv = (g: GraphBuilder, x: Value, w: Value, attributes: ConvAttributes) =>
  add1(g, Conv, [x, w], attributes);
export const convTranspose = (g: GraphBuilder, x: Value, w: Value, attributes: ConvTransposeAttributes) =>
  add1(g, ConvTranspose, [x, w], attributes);
const convInputGradient = (g: GraphBuilder, dy: Value, w: Value, attributes: InputGradientAttributes) =>
  add1(g, ConvInputGradient, [dy, w], attributes);
const convWeightGradient = (g: GraphBuilder, x: Value, dy: Value, attributes: WeightGradientAttributes): Value =>
  add1(g, ConvWeightGradient, [x, dy], attributes);

/** Images of at most this many pixels are convolved as one matrix product over the batch. */
const smallImage = 64;

const isSmall = (image: readonly number[]) => sizeOf(image) <= smallImage;

/** `w` and `dy`: weight (or its gradient) and output gradient of a convolution. */
const shapeClass = (w: TensorType, dy: TensorType, { strides }: Geometry): ShapeClass => ({
  channels: w.shape[1]!,
  pixels: sizeOf(dy.shape.slice(2)),
  stride: Math.max(...strides),
  taps: sizeOf(w.shape.slice(2)),
});

/** Extent of the image that output positions reach. */
const coveredExtent = (outputs: number, kernel: number, { strides, pads }: Geometry, axis: number): number =>
  (outputs - 1) * strides[axis]! + kernel - pads[axis]! - pads[axis + 2]!;

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

export const convOps = { Conv, ConvInputGradient, ConvWeightGradient, ConvTranspose };
