// Tensors of a ResNet of basic blocks with torchvision's names, shapes and initialisation, and their place in the method.
//
// Stage l (from 0) has width * 2^l channels; its first block has stride 2 but in stage 0. A block whose input differs from its output
// in shape has a downsample shortcut, which is shared. A block's unit is its residual branch: conv1, bn1, conv2, bn2.

import type { TensorSpec } from '../../models/model.ts';
import type { ResNetSpec } from './config.ts';

export interface ResNetBlock {
  /** `layerL.B`, L from 1, B from 0. */
  id: string;
  inputs: number;
  channels: number;
  stride: number;
  downsample: boolean;
}

export function resnetBlocks({ layers, width }: ResNetSpec): ResNetBlock[] {
  return layers.flatMap((count, stage) =>
    Array.from({ length: count }, (_, index): ResNetBlock => {
      const channels = width * 2 ** stage;
      const inputs = index > 0 || stage === 0 ? channels : channels / 2;
      const stride = index > 0 || stage === 0 ? 1 : 2;
      return { id: `layer${stage + 1}.${index}`, inputs, channels, stride, downsample: stride > 1 };
    }),
  );
}

/** Parameters, then buffers, each in the order of the state dict. */
export function resnetTensors(spec: ResNetSpec): TensorSpec[] {
  const blocks = resnetBlocks(spec);
  const stemKernel = spec.stem === 'cifar' ? 3 : 7;
  const features = blocks.at(-1)!.channels;
  const bound = 1 / Math.sqrt(features);
  const uniform = { kind: 'uniform', bound } as const;
  const tensors = [
    convolution('conv1', spec.width, spec.channels, stemKernel),
    ...normalization('bn1', spec.width),
    ...blocks.flatMap(blockTensors),
    { ...shared('fc.weight', [spec.classes, features]), init: uniform },
    { ...shared('fc.bias', [spec.classes]), init: uniform },
  ];
  return [...tensors.filter((t) => t.kind === 'parameter'), ...tensors.filter((t) => t.kind === 'buffer')];
}

function blockTensors({ id, inputs, channels, downsample }: ResNetBlock): TensorSpec[] {
  const group = `${id}/channels`;
  const inBlock = (tensor: TensorSpec): TensorSpec => ({ ...tensor, block: id });
  const masked = (tensor: TensorSpec, axis: number): TensorSpec => ({ ...inBlock(tensor), neurons: { group, axis } });
  const shortcut = [
    convolution(`${id}.downsample.0`, channels, inputs, 1),
    ...normalization(`${id}.downsample.1`, channels),
  ];
  return [
    masked(convolution(`${id}.conv1`, channels, inputs, 3), 0),
    ...normalization(`${id}.bn1`, channels).map((tensor) => masked(tensor, 0)),
    masked(convolution(`${id}.conv2`, channels, channels, 3), 1),
    ...normalization(`${id}.bn2`, channels).map(inBlock),
    ...(downsample ? shortcut : []),
  ];
}

const shared = (name: string, shape: number[]): TensorSpec => ({
  name,
  kind: 'parameter',
  shape,
  init: { kind: 'constant', value: 0 },
  block: null,
  neurons: null,
});

/** Kaiming normal over the fan-out, gain of ReLU. */
const convolution = (layer: string, outputs: number, inputs: number, kernel: number): TensorSpec => ({
  ...shared(`${layer}.weight`, [outputs, inputs, kernel, kernel]),
  init: { kind: 'normal', std: Math.sqrt(2 / (outputs * kernel * kernel)) },
});

function normalization(layer: string, channels: number): TensorSpec[] {
  const entry = (name: string, kind: TensorSpec['kind'], value: number): TensorSpec => ({
    ...shared(`${layer}.${name}`, [channels]),
    kind,
    init: { kind: 'constant', value },
  });
  return [
    entry('weight', 'parameter', 1),
    entry('bias', 'parameter', 0),
    entry('running_mean', 'buffer', 0),
    entry('running_var', 'buffer', 1),
  ];
}
