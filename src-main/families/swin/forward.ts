// The forward pass of a Swin Transformer, from images to logits, as torchvision's swin_transformer; how layers get their tensors is the
// caller's.
//
// Shape legend: B batch, H W image in tokens, L = H W tokens, C channels, N tokens of a window, w windows, h heads, d channels of a head.
// Reshapes keep what belongs to the batch on axis 0, so that the graph holds for any batch size (graph/onnx.ts).

import { sizeOf, type GraphBuilder, type Value } from '../../graph/graph.ts';
import { add, equal, mul, where } from '../../graph/ops/elementwise.ts';
import { conv } from '../../graph/ops/conv.ts';
import { gelu } from '../../graph/ops/gelu.ts';
import { layerNorm } from '../../graph/ops/layerNorm.ts';
import { gemm, matMul } from '../../graph/ops/linalg.ts';
import { reshape, split, transpose } from '../../graph/ops/movement.ts';
import { reduceMean } from '../../graph/ops/reduction.ts';
import { softmax } from '../../graph/ops/softmax.ts';
import { take } from '../../graph/ops/take.ts';
import type { SwinSpec } from './config.ts';
import { swinStages, type SwinStage } from './tensors.ts';
import { mergedTokens, planWindows, relativePositions, type WindowPlan } from './windows.ts';

export interface SwinLayers {
  g: GraphBuilder;
  /** A parameter in library layout, cut down to what is held. */
  parameter(name: string): Value;
  /** Whether the graph has a block at all. */
  hasBlock(block: string): boolean;
  /** Units that the graph has of `<block>/heads` or `<block>/mlp`. */
  units(group: string): number;
  /** The output of residual branch 0 or 1 of a block as it is added to x, and the features as they are classified: places where training drops. */
  branch(block: string, x: Value, output: Value, branch: number): Value;
  features(x: Value): Value;
}

const epsilon = 1e-5;
/** What torchvision adds to the score of two tokens that must not attend to each other. */
const apart = -100;

export function swinLogits(spec: SwinSpec, layers: SwinLayers, images: Value): Value {
  const { g } = layers;
  let x = embedPatches(spec, layers, images);
  for (const stage of swinStages(spec)) {
    stage.blocks.forEach((block, index) => {
      if (layers.hasBlock(block)) x = transformerBlock(spec, stage, block, index % 2 === 1, layers, x);
    });
    if (stage.merging) x = mergePatches(stage, stage.merging, layers, x);
  }
  x = normalize(layers, 'norm', x);
  g.scope = 'head';
  const logits = linear(layers, 'head', layers.features(reduceMean(g, x, [1], false)));
  g.scope = 'loss';
  return logits;
}

/** [B,channels,...image] to [B,L,C]. */
function embedPatches({ patch }: SwinSpec, layers: SwinLayers, images: Value): Value {
  const { g } = layers;
  g.scope = 'features.0.0';
  const embedded = conv(g, images, layers.parameter('features.0.0.weight'), { strides: patch, pads: [0, 0, 0, 0] });
  const [b, c, ...image] = embedded.shape as [number, number, number, number];
  const tokens = transpose(g, reshape(g, embedded, [b, c, sizeOf(image)]), [0, 2, 1]);
  return normalize(layers, 'features.0.2', add(g, tokens, layers.parameter('features.0.0.bias')));
}

/** x + attention(norm1(x)), then the same with the MLP and norm2. A branch of which no unit is there is its output bias. */
function transformerBlock(
  spec: SwinSpec,
  stage: SwinStage,
  block: string,
  shifted: boolean,
  layers: SwinLayers,
  x: Value,
): Value {
  const { g } = layers;
  const attended =
    layers.units(`${block}/heads`) === 0
      ? layers.parameter(`${block}.attn.proj.bias`)
      : attention(spec, stage, block, shifted, layers, normalize(layers, `${block}.norm1`, x));
  const between = add(g, x, layers.branch(block, x, attended, 0));
  const fed =
    layers.units(`${block}/mlp`) === 0
      ? layers.parameter(`${block}.mlp.3.bias`)
      : mlp(block, layers, normalize(layers, `${block}.norm2`, between));
  return add(g, between, layers.branch(block, between, fed, 1));
}

function mlp(block: string, layers: SwinLayers, x: Value): Value {
  const { g } = layers;
  g.scope = `${block}.mlp`;
  const rows = reshape(g, x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
  const hidden = gelu(g, linear(layers, `${block}.mlp.0`, rows));
  return reshape(g, linear(layers, `${block}.mlp.3`, hidden), x.shape);
}

/** Attention within windows. The scale is that of the whole head, however many heads there are. */
function attention(
  spec: SwinSpec,
  stage: SwinStage,
  block: string,
  shifted: boolean,
  layers: SwinLayers,
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
function scoreBias({ window }: SwinSpec, plan: WindowPlan, layers: SwinLayers, name: string): Value {
  const { g } = layers;
  const table = transpose(g, layers.parameter(`${name}.relative_position_bias_table`), [1, 0]);
  const bias = reshape(g, take(g, table, relativePositions(window), 1), [1, table.shape[0]!, plan.size, plan.size]);
  if (!plan.regions) return bias;
  const regions = g.constant('float32', [plan.numWindows, 1, plan.size, 1], plan.regions);
  const same = equal(g, regions, reshape(g, regions, [plan.numWindows, 1, 1, plan.size]));
  return add(g, where(g, same, g.scalar(0), g.scalar(apart)), bias);
}

/** Four neighbours become one token of twice the channels. */
function mergePatches(stage: SwinStage, id: string, layers: SwinLayers, x: Value): Value {
  const { g } = layers;
  g.scope = id;
  const [b, , c] = x.shape as [number, number, number];
  const order = mergedTokens(stage.image);
  const merged = reshape(g, take(g, x, order, 1), [b, order.length / 4, 4 * c]);
  const normal = normalize(layers, `${id}.norm`, merged);
  g.scope = `${id}.reduction`;
  const rows = reshape(g, normal, [(b * order.length) / 4, 4 * c]);
  const reduced = gemm(g, rows, layers.parameter(`${id}.reduction.weight`), { transA: 0, transB: 1 });
  return reshape(g, reduced, [b, order.length / 4, 2 * c]);
}

const linear = (layers: SwinLayers, layer: string, rows: Value): Value =>
  gemm(
    layers.g,
    rows,
    layers.parameter(`${layer}.weight`),
    { transA: 0, transB: 1 },
    layers.parameter(`${layer}.bias`),
  );

function normalize(layers: SwinLayers, layer: string, x: Value): Value {
  layers.g.scope = layer;
  return layerNorm(layers.g, x, layers.parameter(`${layer}.weight`), layers.parameter(`${layer}.bias`), epsilon);
}
