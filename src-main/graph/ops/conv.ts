// Convolution and its two gradients.
//
// Layout: images N,C,spatial...; weights K,C/group,kernel.... `pads`: before each spatial axis, then after each.
// ConvInputGradient and ConvWeightGradient are composites: which standard operators compute them fastest depends on the provider.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type Value,
} from '../graph.ts';

export type ConvAttributes = {
  strides: readonly number[];
  pads: readonly number[];
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
  flops: ({ inputs, outputs }) => 2 * sizeOf(outputs[0]!.shape) * sizeOf(inputs[1]!.shape.slice(1)),
  gradient({ g, inputs, attributes, outputGradients, wanted }) {
    const [x, w] = [inputs[0]!, inputs[1]!];
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
type InputGradientAttributes = { strides: readonly number[]; pads: readonly number[]; image: readonly number[] };

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
};

/** `kernel`: spatial extents of the weight. */
type WeightGradientAttributes = { strides: readonly number[]; pads: readonly number[]; kernel: readonly number[] };

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
};

export type ConvTransposeAttributes = {
  strides: readonly number[];
  pads: readonly number[];
  output_padding: readonly number[];
};

/** Inputs: x [N,K,...], w [K,C,...]: the input gradient of a convolution, as ONNX has it. */
export const ConvTranspose: Op<ConvTransposeAttributes> = {
  type: 'ConvTranspose',
  kind: 'onnx',
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
export const convInputGradient = (g: GraphBuilder, dy: Value, w: Value, attributes: InputGradientAttributes) =>
  add1(g, ConvInputGradient, [dy, w], attributes);
export const convWeightGradient = (g: GraphBuilder, x: Value, dy: Value, attributes: WeightGradientAttributes) =>
  add1(g, ConvWeightGradient, [x, dy], attributes);

export const convOps = [Conv, ConvInputGradient, ConvWeightGradient, ConvTranspose] as Op<Attributes>[];
