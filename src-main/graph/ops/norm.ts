// Batch normalisation over N,C,spatial...: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel C.
//
// In training mode mean and variance are those of the batch (variance over the count, not count - 1); `momentum` 0 makes ONNX give
// them as outputs 1 and 2. The gradient is a composite with the usual three parts (Ioffe and Szegedy, 2015, section 3).

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
import { mul } from './elementwise.ts';

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
  gradient({ g, inputs, outputs, attributes, outputGradients }) {
    if (attributes.training_mode !== 1)
      throw shapeError('BatchNormalization', 'inference mode has no gradient rule', inputs, attributes);
    const [x, scale] = [inputs[0]!, inputs[1]!];
    const operands = [outputGradients[0]!, x, scale, outputs[1]!, outputs[2]!];
    const [dx, dscale, dbias] = g.add(BatchNormalizationGradient, operands, { epsilon: attributes.epsilon });
    return [dx!, dscale!, dbias!, null, null];
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
};

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

export const normOps = [BatchNormalization, BatchNormalizationGradient] as Op<Attributes>[];
