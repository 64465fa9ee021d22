// Custom operators that call cuDNN's own gradients of convolutions and its normalisation: domain sdp.cudnn, float32, on CUDA only.
//
// native/core registers them with a session. They mean what the composites of the same names mean (conv.ts, norm.ts); only the lowering
// emits them, where they are allowed (lower/formulations.ts).

import { shapeError, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { ConvInputGradient, ConvWeightGradient } from './conv.ts';
import { BatchNormalizationGradient } from './norm.ts';

const custom = { kind: 'onnx', domain: 'sdp.cudnn' } as const;

export const CudnnConvWeightGradient = { ...ConvWeightGradient, ...custom };
export const CudnnConvInputGradient = { ...ConvInputGradient, ...custom };
export const CudnnBatchNormalizationGradient = {
  ...BatchNormalizationGradient,
  ...custom,
  floatAttributes: ['epsilon'],
};

/** Inputs: x, scale, bias. Outputs: y, and mean and variance of the batch (variance over the count). */
const CudnnBatchNormalization: Op<{ epsilon: number }> = {
  ...custom,
  type: 'BatchNormalization',
  floatAttributes: ['epsilon'],
  notDifferentiable: 'comes after differentiation',
  infer(inputs) {
    const [x, scale, bias] = inputs;
    if ([scale, bias].some((v) => v!.shape.length !== 1 || v!.shape[0] !== x!.shape[1]))
      throw shapeError('BatchNormalization', 'takes one entry per channel', inputs);
    return [x!, scale!, scale!].map(({ dtype, shape }) => ({ dtype, shape }));
  },
};

export const cudnnBatchNormalization = (g: GraphBuilder, x: Value, scale: Value, bias: Value, epsilon: number) =>
  g.add(CudnnBatchNormalization, [x, scale, bias], { epsilon });
