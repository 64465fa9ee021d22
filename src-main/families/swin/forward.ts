// The forward pass of a Swin Transformer, from images to logits, as torchvision's swin_transformer; how layers get their tensors is the
// caller's.
//
// Shape legend: B batch, H W image in tokens, L = H W tokens, C channels, N tokens of a window, w windows, h heads, d channels of a head.
// Reshapes keep what belongs to the batch on axis 0, so that the graph holds for any batch size (graph/onnx.ts).

import { sizeOf, type Value } from '../../graph/graph.ts';
import { add, equal, mul, where } from '../../graph/ops/elementwise.ts';
import { conv } from '../../graph/ops/conv.ts';
import { gemm, matMul } from '../../graph/ops/linalg.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { split, transpose } from '../../graph/ops/movement.ts';
import { reduceMean } from '../../graph/ops/reduction.ts';
import { softmax } from '../../graph/ops/softmax.ts';
import { take } from '../../graph/ops/take.ts';
import { linear, normalize, transformerBlock, type Layers } from '../../models/imageTransformer.ts';
import type { SwinSpec } from './config.ts';
import { swinStages, type SwinStage } from './tensors.ts';
import { mergedTokens, planWindows, relativePositions, type WindowPlan } from './windows.ts';

export const branchEnds = ['attn.proj', 'mlp.3'] as const;
const norms = ['norm1', 'norm2'] as const;
const epsilon = 1e-5;
/** What torchvision adds to the score of two tokens that must not attend to each other. */
const apart = -100;

export function swinLogits(spec: SwinSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  let x = embedPatches(spec, layers, images);
  for (const stage of swinStages(spec)) {
    stage.blocks.forEach((block, index) => {
      if (!layers.hasBlock(block)) return;
      const shifted = index % 2 === 1;
      const attended = (normal: Value) => attention(spec, stage, block, shifted, layers, normal);
      x = transformerBlock(layers, block, { norms, ends: branchEnds, epsilon, attention: attended }, x);
    });
    if (stage.merging) x = mergePatches(stage, stage.merging, layers, x);
  }
  x = normalize(layers, 'norm', x, epsilon);
  g.scope = 'head';
  const logits = linear(layers, 'head', layers.features(reduceMean(g, x, [1], false)));
  g.scope = 'loss';
  return logits;
}

/** [B,channels,...image] to [B,L,C]. */
function embedPatches({ patch }: SwinSpec, layers: Layers, images: Value): Value {
  const { g } = layers;
  g.scope = 'features.0.0';
  const embedded = conv(g, images, layers.parameter('features.0.0.weight'), { strides: patch, pads: [0, 0, 0, 0] });
  const [b, c, ...image] = embedded.shape as [number, number, number, number];
  const tokens = transpose(g, reshape(g, embedded, [b, c, sizeOf(image)]), [0, 2, 1]);
  return normalize(layers, 'features.0.2', add(g, tokens, layers.parameter('features.0.0.bias')), epsilon);
}

/** Attention within windows. The scale is that of the whole head, however many heads there are. */
function attention(
  spec: SwinSpec,
  stage: SwinStage,
  block: string,
  shifted: boolean,
  layers: Layers,
  x_BLC: Value,
): Value {
  const { g } = layers;
  const name = `${block}.attn`;
  g.scope = name;
  const plan = planWindows(stage.image, spec.window, shifted);
  const [b, , c] = x_BLC.shape as [number, number, number];
  const [h, d, n] = [layers.units(`${block}/heads`), stage.channels / stage.heads, plan.size];
  const windows = b * plan.numWindows;
  const rows = reshape(g, take(g, x_BLC, plan.partition, 1), [windows * n, c]);
  const projected = reshape(g, linear(layers, `${name}.qkv`, rows), [windows, n, 3 * h, d]);
  const [q, k, v] = split(g, projected, 2, [h, h, h]) as [Value, Value, Value];
  const query = mul(g, transpose(g, q, [0, 2, 1, 3]), g.scalar(d ** -0.5));
  const scores = matMul(g, query, transpose(g, k, [0, 2, 3, 1]));
  const apartByWindow = reshape(g, scores, [b, plan.numWindows, h, n, n]);
  const shares = softmax(g, add(g, apartByWindow, scoreBias(spec, plan, layers, name)));
  const mixed_whNd = matMul(g, reshape(g, shares, scores.shape), transpose(g, v, [0, 2, 1, 3]));
  const mixed = reshape(g, transpose(g, mixed_whNd, [0, 2, 1, 3]), [windows * n, h * d]);
  const output = reshape(g, linear(layers, `${name}.proj`, mixed), [b, plan.numWindows * n, c]);
  return take(g, output, plan.restore, 1);
}

/** What is added to scores, for all images: the bias of each head by relative position [1,h,N,N], and where shifted the mask of each window [w,h,N,N]. */
function scoreBias({ window }: SwinSpec, plan: WindowPlan, layers: Layers, name: string): Value {
  const { g } = layers;
  const table = transpose(g, layers.parameter(`${name}.relative_position_bias_table`), [1, 0]);
  const bias = reshape(g, take(g, table, relativePositions(window), 1), [1, table.shape[0]!, plan.size, plan.size]);
  if (!plan.regions) return bias;
  const regions = g.constant('float32', [plan.numWindows, 1, plan.size, 1], plan.regions);
  const same = equal(g, regions, reshape(g, regions, [plan.numWindows, 1, 1, plan.size]));
  return add(g, where(g, same, g.scalar(0), g.scalar(apart)), bias);
}

/** Four neighbours become one token of twice the channels. */
function mergePatches(stage: SwinStage, id: string, layers: Layers, x: Value): Value {
  const { g } = layers;
  g.scope = id;
  const [b, , c] = x.shape as [number, number, number];
  const order = mergedTokens(stage.image);
  const merged = reshape(g, take(g, x, order, 1), [b, order.length / 4, 4 * c]);
  const normal = normalize(layers, `${id}.norm`, merged, epsilon);
  g.scope = `${id}.reduction`;
  const rows = reshape(g, normal, [(b * order.length) / 4, 4 * c]);
  const reduced = gemm(g, rows, layers.parameter(`${id}.reduction.weight`), { transA: 0, transB: 1 });
  return reshape(g, reduced, [b, order.length / 4, 2 * c]);
}
