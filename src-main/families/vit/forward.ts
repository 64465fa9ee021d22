// The forward pass of a Vision Transformer, from images to logits, as torchvision's VisionTransformer; how layers get their tensors is the
// caller's.
//
// Shape legend: B batch, C channels, P patches, N = P + 1 tokens, E width, h heads, d channels of a head.
// Reshapes keep what belongs to the batch on axis 0, so that the graph holds for any batch size (graph/onnx.ts).

import type { Value } from '../../graph/graph.ts';
import { conv } from '../../graph/ops/conv.ts';
import { add, mul } from '../../graph/ops/elementwise.ts';
import { matMul } from '../../graph/ops/linalg.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { split, transpose } from '../../graph/ops/movement.ts';
import { softmax } from '../../graph/ops/softmax.ts';
import { take } from '../../graph/ops/take.ts';
import { linear, normalize, transformerBlock, type Layers } from '../../models/imageTransformer.ts';
import type { ViTSpec } from './config.ts';
import { numPatches, vitBlocks } from './tensors.ts';

export const branchEnds = ['self_attention.out_proj', 'mlp.3'] as const;
const norms = ['ln_1', 'ln_2'] as const;
export const epsilon = 1e-6;

export function vitLogits(spec: ViTSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  let x = embed(spec, layers, images);
  for (const block of vitBlocks(spec).filter((block) => layers.hasBlock(block))) {
    const attended = (normal: Value) => attention(spec, block, layers, normal);
    x = transformerBlock(layers, block, { norms, ends: branchEnds, epsilon, attention: attended }, x);
  }
  x = normalize(layers, 'encoder.ln', x, epsilon);
  g.scope = 'heads.head';
  const [b, , e] = x.shape as [number, number, number];
  const logits = linear(layers, 'heads.head', layers.features(reshape(g, take(g, x, [0], 1), [b, e])));
  g.scope = 'loss';
  return logits;
}

/** [B,C,...image] to [B,N,E]: the class token, then the patches, each with its position. */
function embed(spec: ViTSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  const { patch, hidden } = spec;
  const patches = numPatches(spec);
  g.scope = 'conv_proj';
  const projected = conv(g, images, layers.parameter('conv_proj.weight'), {
    strides: [patch, patch],
    pads: [0, 0, 0, 0],
  });
  const rows = transpose(g, reshape(g, projected, [projected.shape[0]!, hidden, patches]), [0, 2, 1]);
  const embedded = add(g, rows, layers.parameter('conv_proj.bias'));
  g.scope = 'encoder';
  // Zeros make room for the class token, which is the same for all images and so part of what is added to all of them.
  const places = Array.from({ length: patches }, (_, at) => at);
  const none = new Array<number>(patches).fill(-1);
  const first = take(g, layers.parameter('class_token'), [0, ...none], 1);
  const everywhere = add(g, first, layers.parameter('encoder.pos_embedding'));
  return add(g, take(g, embedded, [-1, ...places], 1), everywhere);
}

/** The scale is that of the whole head, however many heads there are. */
function attention({ hidden, heads }: ViTSpec, block: string, layers: Layers, x_BNE: Value): Value {
  const { g } = layers;
  const name = `${block}.self_attention`;
  g.scope = name;
  const [b, n, e] = x_BNE.shape as [number, number, number];
  const [h, d] = [layers.units(`${block}/heads`), hidden / heads];
  const rows = reshape(g, x_BNE, [b * n, e]);
  const projected = reshape(g, linear(layers, `${name}.in_proj`, rows, ['_weight', '_bias']), [b, n, 3 * h, d]);
  const [q, k, v] = split(g, projected, 2, [h, h, h]) as [Value, Value, Value];
  const query = mul(g, transpose(g, q, [0, 2, 1, 3]), g.scalar(d ** -0.5));
  const scores = matMul(g, query, transpose(g, k, [0, 2, 3, 1]));
  const mixed_BhNd = matMul(g, softmax(g, scores), transpose(g, v, [0, 2, 1, 3]));
  const mixed = reshape(g, transpose(g, mixed_BhNd, [0, 2, 1, 3]), [b * n, h * d]);
  return reshape(g, linear(layers, `${name}.out_proj`, mixed), [b, n, e]);
}
