// Batch normalisation over N,C,spatial...: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel C.
//
// In training mode mean and variance are those of the batch (variance over the count, not count - 1); `momentum` 0 makes ONNX give
// them as outputs 1 and 2. The gradient is a composite with the usual three parts (Ioffe and Szegedy, 2015, section 3).

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
import { onCudnn } from './cudnn.ts';
import { add, div, mul, neg, sqrt, sub } from './elementwise.ts';
import { reduceMean } from './reduction.ts';
import { reshape } from './reshape.ts';

type BatchNormalizationAttributes = { epsilon: number; momentum: number; training_mode: number };

function requireChannels(type: string, x: Value, perChannel: readonly Value[], all: readonly Value[]): void {
  if (perChannel.some((v) => !sameShape(v.shape, [x.shape[1]!])))
    throw shapeError(type, 'takes one entry per channel', all);
}

/** Inputs: x, scale, bias, mean, variance (the last two unused in training mode). Outputs: y, and in training mode mean and variance. */
export const BatchNormalization: Op<BatchNormalizationAttributes> = {
  type: 'BatchNormalization',
  kind: 'onnx',
  floatAttributes: ['epsilon', 'momentum'],
  overwrites: [
    [3, 1],
    [4, 2],
  ],
  infer(inputs, { training_mode, momentum }) {
    const [x, ...perChannel] = inputs;
    requireChannels('BatchNormalization', x!, perChannel, inputs);
    if (training_mode === 1 && momentum !== 0)
      throw shapeError('BatchNormalization', 'training mode needs momentum 0', inputs);
    const channel = { dtype: x!.dtype, shape: [x!.shape[1]!] };
    return training_mode === 1
      ? [x!, channel, channel].map(({ dtype, shape }) => ({ dtype, shape }))
      : [{ dtype: x!.dtype, shape: x!.shape }];
  },
  flops: ({ inputs, attributes }) => sizeOf(inputs[0]!.shape) * (attributes.training_mode === 1 ? 6 : 2),
  /** onnxruntime/core/providers/cpu/nn/batch_norm.h. */
  scratch: {
    arena: ({ inputs: [, scale], attributes }) =>
      attributes.training_mode === 1 ? [4 * sizeOf(scale!.shape), 4 * sizeOf(scale!.shape)] : [],
  },
  saves: { inputs: [0, 1], outputs: [1, 2] },
  gradient({ g, saved, inputs, attributes, outputGradients }) {
    if (attributes.training_mode !== 1)
      throw shapeError('BatchNormalization', 'inference mode has no gradient rule', inputs, attributes);
    const operands = [outputGradients[0]!, ...saved];
    const [dx, dscale, dbias] = g.add(BatchNormalizationGradient, operands, { epsilon: attributes.epsilon });
    return [dx!, dscale!, dbias!, null, null];
  },
  /** The training mode exists on the CPU provider only; elsewhere it is spelled out. */
  lower(g, { inputs, attributes }, provider, options) {
    const [x, scale, bias] = inputs;
    if (provider === 'cpu' || attributes.training_mode !== 1) return null;
    const { epsilon } = attributes;
    if (provider === 'cuda' && chooseFormulation('BatchNormalization', shapeClass(x!), options) === 'cudnn')
      return g.add(CudnnBatchNormalization, [x!, scale!, bias!], { epsilon });
    const mean = reduceMean(g, x!, imageAxes(x!), false);
    const centred = sub(g, x!, overImage(g, mean, x!));
    const variance = reduceMean(g, mul(g, centred, centred), imageAxes(x!), false);
    const factor = div(g, scale!, deviation(g, variance, epsilon));
    return [add(g, mul(g, centred, overImage(g, factor, x!)), overImage(g, bias!, x!)), mean, variance];
  },
};

/**
 * Composite. Inputs: dy, x, scale, mean, variance (of the batch). Outputs: dx, dscale, dbias.
 * With n entries per channel, xhat = (x - mean) / s and s = sqrt(variance + epsilon):
 * dbias = sum dy, dscale = sum dy xhat, dx = scale / s (dy - dbias / n - xhat dscale / n).
 */
export const BatchNormalizationGradient: Op<{ epsilon: number }> = {
  type: 'BatchNormalizationGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const [dy, x, scale, mean, variance] = inputs;
    requireChannels('BatchNormalizationGradient', x!, [scale!, mean!, variance!], inputs);
    if (!sameShape(dy!.shape, x!.shape))
      throw shapeError('BatchNormalizationGradient', 'gradient and image differ', inputs);
    return [dy!, scale!, scale!].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  flops: ({ inputs }) => 8 * sizeOf(inputs[0]!.shape),
  /**
   * With factor = scale / s, the input gradient is factor dy + slope x + shift: sum dy x gives all that is needed, in few passes over the
   * images. Not centring x costs no accuracy that the runtime's forward pass has: that is x factor + shift too.
   */
  lower(g, { inputs, attributes: { epsilon } }, provider, options) {
    const [dy, x, scale, mean, variance] = inputs as [Value, Value, Value, Value, Value];
    if (provider === 'cuda' && chooseFormulation('BatchNormalizationGradient', shapeClass(x), options) === 'cudnn')
      return g.add(CudnnBatchNormalizationGradient, inputs, { epsilon });
    const count = g.scalar(sizeOf(x.shape) / x.shape[1]!);
    const s = deviation(g, variance, epsilon);
    const factor = div(g, scale, s);
    const dbias = reduceSum(g, dy, imageAxes(x), false);
    const product = reduceSum(g, mul(g, dy, x), imageAxes(x), false);
    const dscale = div(g, sub(g, product, mul(g, mean, dbias)), s);
    const slope = neg(g, div(g, mul(g, factor, dscale), mul(g, s, count)));
    const shift = neg(g, add(g, div(g, mul(g, factor, dbias), count), mul(g, slope, mean)));
    const dx = add(g, mul(g, dy, overImage(g, factor, x)), affine(g, x, slope, shift, provider === 'cpu'));
    return [dx, dscale, dbias];
  },
};

export const CudnnBatchNormalizationGradient: Op<{ epsilon: number }> = {
  ...onCudnn(BatchNormalizationGradient),
  floatAttributes: ['epsilon'],
};

/** Inputs: x, scale, bias. Outputs: y, and mean and variance of the batch (variance over the count). */
export const CudnnBatchNormalization: Op<{ epsilon: number }> = {
  ...onCudnn({ type: 'BatchNormalization', infer: inferOfBatch }),
  floatAttributes: ['epsilon'],
};

function inferOfBatch(inputs: readonly Value[]): TensorType[] {
  const [x, ...perChannel] = inputs;
  requireChannels('BatchNormalization', x!, perChannel, inputs);
  return [x!, perChannel[0]!, perChannel[0]!].map(({ dtype, shape }) => ({ dtype, shape }));
}

/** All axes but the channels. */
const imageAxes = (x: Value) => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/** A value per channel, shaped to broadcast over images. */
const overImage = (g: GraphBuilder, perChannel: Value, x: Value) =>
  reshape(g, perChannel, [x.shape[1]!, ...x.shape.slice(2).map(() => 1)]);

const deviation = (g: GraphBuilder, variance: Value, epsilon: number) => sqrt(g, add(g, variance, g.scalar(epsilon)));

const shapeClass = ({ shape }: Value): ShapeClass => ({ channels: shape[1]!, pixels: sizeOf(shape.slice(2)) });

/** x slope + shift per channel; `fused`: in one pass, as a normalisation with mean 0 and variance 1. */
function affine(g: GraphBuilder, x: Value, slope: Value, shift: Value, fused: boolean): Value {
  if (!fused) return add(g, mul(g, x, overImage(g, slope, x)), overImage(g, shift, x));
  const channels = slope.shape;
  const filled = (value: number) => g.constant('float32', channels, new Array<number>(channels[0]!).fill(value));
  return batchNormInference(g, x, slope, shift, filled(0), filled(1), 0);
}

export interface BatchStatistics {
  y: Value;
  mean: Value;
  /** Over the count, not count - 1. */
  variance: Value;
}

/**
 * The runtime writes mean and variance over the buffers of the last two inputs (its kernel declares them as aliases), so each layer gets
 * two of its own that are neither constants nor anybody's data.
 */
export function batchNormTraining(
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value,
  epsilon: number,
): BatchStatistics {
  const scratch = [scale, bias].map((value) => mul(g, value, g.scalar(0)));
  const [y, mean, variance] = g.add(BatchNormalization, [x, scale, bias, ...scratch], {
    epsilon,
    momentum: 0,
    training_mode: 1,
  });
  return { y: y!, mean: mean!, variance: variance! };
}

export const batchNormInference = (
  g: GraphBuilder,
  x: Value,
  scale: Value,
  bias: Value,
  mean: Value,
  variance: Value,
  epsilon: number,
) => add1(g, BatchNormalization, [x, scale, bias, mean, variance], { epsilon, momentum: 0.9, training_mode: 0 });

export const normOps = { BatchNormalization, BatchNormalizationGradient };
