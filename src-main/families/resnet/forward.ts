// The forward pass of a ResNet, from images to logits; how layers get their tensors and statistics is the caller's.

import type { GraphBuilder, Value } from '../../graph/graph.ts';
import { add, relu } from '../../graph/ops/elementwise.ts';
import { conv } from '../../graph/ops/conv.ts';
import { gemm } from '../../graph/ops/linalg.ts';
import { expand } from '../../graph/ops/broadcast.ts';
import { maxPool } from '../../graph/ops/pool.ts';
import { reduceMean } from '../../graph/ops/reduction.ts';
import type { ResNetSpec } from './config.ts';
import { resnetBlocks, type ResNetBlock } from './tensors.ts';

export interface Layers {
  g: GraphBuilder;
  /** A parameter in library layout, cut down to what is held. */
  parameter(name: string): Value;
  /** Batch normalisation by the layer of this name. */
  normalize(layer: string, x: Value): Value;
  /** Inner channels of a block that the graph has; null: no residual branch at all. */
  innerChannels(block: string): number | null;
  /** The output of a block's residual branch as it is added, and the features as they are classified: places where training drops. */
  branch(block: string, x: Value, output: Value): Value;
  features(x: Value): Value;
}

export function resnetLogits(spec: ResNetSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  let x = stem(spec, layers, images);
  for (const block of resnetBlocks(spec)) x = residualBlock(block, layers, x);
  g.scope = 'fc';
  const pooled = layers.features(reduceMean(g, x, [2, 3], false));
  const logits = gemm(g, pooled, layers.parameter('fc.weight'), { transA: 0, transB: 1 }, layers.parameter('fc.bias'));
  g.scope = 'loss';
  return logits;
}

function stem({ stem }: ResNetSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  const x = stem === 'cifar' ? convolve(layers, 'conv1', images, 1, 1) : convolve(layers, 'conv1', images, 2, 3);
  const rectified = relu(g, normalize(layers, 'bn1', x));
  return stem === 'cifar'
    ? rectified
    : maxPool(g, rectified, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
}

/** relu(branch(x) + shortcut(x)). Without its branch it is relu(shortcut(x)), and x itself where the shortcut is: x is never negative. */
function residualBlock(block: ResNetBlock, layers: Layers, x: Value): Value {
  const { g } = layers;
  const shortcut = block.downsample ? downsample(block, layers, x) : x;
  const channels = layers.innerChannels(block.id);
  if (channels === null) return block.downsample ? relu(g, shortcut) : x;
  const branch = channels === 0 ? emptyBranch(block, layers, shortcut) : residualBranch(block, layers, x);
  return relu(g, add(g, layers.branch(block.id, shortcut, branch), shortcut));
}

function downsample({ id, stride }: ResNetBlock, layers: Layers, x: Value): Value {
  return normalize(layers, `${id}.downsample.1`, convolve(layers, `${id}.downsample.0`, x, stride, 0));
}

function residualBranch({ id, stride }: ResNetBlock, layers: Layers, x: Value): Value {
  const inner = relu(layers.g, normalize(layers, `${id}.bn1`, convolve(layers, `${id}.conv1`, x, stride, 1)));
  return normalize(layers, `${id}.bn2`, convolve(layers, `${id}.conv2`, inner, 1, 1));
}

/** A worker that holds no inner channel of a block: its second convolution sums nothing. */
function emptyBranch({ id }: ResNetBlock, layers: Layers, shortcut: Value): Value {
  layers.g.scope = `${id}.conv2`;
  return normalize(layers, `${id}.bn2`, expand(layers.g, layers.g.scalar(0), shortcut.shape));
}

function convolve(layers: Layers, layer: string, x: Value, stride: number, padding: number): Value {
  layers.g.scope = layer;
  const attributes = { strides: [stride, stride], pads: [padding, padding, padding, padding] };
  return conv(layers.g, x, layers.parameter(`${layer}.weight`), attributes);
}

function normalize(layers: Layers, layer: string, x: Value): Value {
  layers.g.scope = layer;
  return layers.normalize(layer, x);
}
