// The forward pass of a LLaMA-style model, from tokens to the normalised hidden states; how layers get their weights is the caller's.
//
// Shape legend: B batch, T positions, D hidden, F hidden units of the MLP, K key-value heads, G query heads per key-value head, h head size.
// Counts K and F are those that the graph has: fewer than the model's under forward masking.

import type { GraphBuilder, Value } from '../../graph/graph.ts';
import { causalAttention } from '../../graph/ops/attention.ts';
import { add, mul } from '../../graph/ops/elementwise.ts';
import { swiGlu } from '../../graph/ops/gating.ts';
import { gather } from '../../graph/ops/indexing.ts';
import { gemm } from '../../graph/ops/linalg.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { transpose } from '../../graph/ops/movement.ts';
import { rmsNorm } from '../../graph/ops/rmsNorm.ts';
import { rotary } from '../../graph/ops/rotary.ts';
import { embeddingName, groupSize, headSize, llamaBlocks, normEpsilon, rotaryBase } from './tensors.ts';
import type { LlamaSpec } from './config.ts';

export interface LlamaLayers {
  g: GraphBuilder;
  /** A weight as the store has it, cut down to what is held. */
  weight(name: string): Value;
  /** x [B,T,I] times the weight of a layer [O,I]. */
  linear(x: Value, layer: string): Value;
  /** Whether the graph has the block at all. */
  hasBlock(block: string): boolean;
  /** Units of a neuron group that the graph has. */
  units(group: string): number;
  /** Of a block; default: over the positions of x, without a cache. */
  attention?: typeof attention;
  /** Factor of every residual branch. */
  branchScale: number;
  /** The MLP is computed as [F,BT], so that hidden units are rows. */
  featuresFirst: boolean;
  /** The output of residual branch 0 or 1 of a block as it is added to x, and the hidden states as the head gets them: places where training drops. */
  branch(block: string, x: Value, output: Value, branch: number): Value;
  features(x: Value): Value;
}

/** Queries of at least so many positions go against the keys in chunks. */
const chunkPositions = 128;
const mostChunks = 8;
const chunksFor = (positions: number) => Math.max(1, Math.min(mostChunks, Math.floor(positions / chunkPositions)));

/** Hidden states [B,T,D] after the last norm. */
export function llamaHidden(spec: LlamaSpec, layers: LlamaLayers, tokens: Value): Value {
  const { g } = layers;
  g.scope = 'model.embed_tokens';
  let x = gather(g, layers.weight(embeddingName), tokens, 0);
  for (const block of llamaBlocks(spec).filter((id) => layers.hasBlock(id))) x = decoderLayer(spec, layers, block, x);
  g.scope = 'model.norm';
  const hidden = layers.features(rmsNorm(g, x, layers.weight('model.norm.weight'), normEpsilon));
  g.scope = 'lm_head';
  return hidden;
}

/** x + attention(norm(x)), then x + mlp(norm(x)); a branch of which the graph has no unit adds nothing. */
function decoderLayer(spec: LlamaSpec, layers: LlamaLayers, block: string, x: Value): Value {
  const branches = [
    { group: 'heads', norm: 'input_layernorm', compute: layers.attention ?? attention },
    { group: 'mlp', norm: 'post_attention_layernorm', compute: mlp },
  ];
  return branches.reduce((sum, { group, norm, compute }, index) => {
    const { g } = layers;
    const count = layers.units(`${block}/${group}`);
    if (count === 0) return sum;
    g.scope = `${block}.${norm}`;
    const normalised = rmsNorm(g, sum, layers.weight(`${block}.${norm}.weight`), normEpsilon);
    const output = compute(spec, layers, block, normalised, count);
    const scaled = layers.branchScale === 1 ? output : mul(g, output, g.scalar(layers.branchScale));
    return add(g, sum, layers.branch(block, sum, scaled, index));
  }, x);
}

function attention(spec: LlamaSpec, layers: LlamaLayers, block: string, x_BTD: Value, heads: number): Value {
  const { g } = layers;
  const [batch, positions] = x_BTD.shape as [number, number];
  const [group, size] = [groupSize(spec), headSize(spec)];
  const projected = (layer: string, ...shape: number[]) => {
    g.scope = `${block}.self_attn.${layer}`;
    return reshape(g, layers.linear(x_BTD, g.scope), [batch, positions, ...shape]);
  };
  const q_BTKGh = projected('q_proj', heads, group, size);
  const k_BTKh = projected('k_proj', heads, size);
  const v_BTKh = projected('v_proj', heads, size);
  g.scope = `${block}.self_attn`;
  const q_BKGTh = rotary(g, transpose(g, q_BTKGh, [0, 2, 3, 1, 4]), ...rotations(g, positions, size, size ** -0.5));
  const k_BKTh = rotary(g, transpose(g, k_BTKh, [0, 2, 1, 3]), ...rotations(g, positions, size, 1));
  const v_BKTh = transpose(g, v_BTKh, [0, 2, 1, 3]);
  const y_BKGTh = causalAttention(g, q_BKGTh, k_BKTh, v_BKTh, chunksFor(positions));
  const y_BTD = reshape(g, transpose(g, y_BKGTh, [0, 3, 1, 2, 4]), [batch, positions, heads * group * size]);
  g.scope = `${block}.self_attn.o_proj`;
  return layers.linear(y_BTD, g.scope);
}

/** Of each graph, by factor: every layer reads the same. */
const tables = new WeakMap<GraphBuilder, Map<number, [Value, Value]>>();

/** Cosines and sines [T, h/2] times `factor`, in float32 as Hugging Face computes them. */
function rotations(g: GraphBuilder, positions: number, size: number, factor: number): [Value, Value] {
  const known = tables.get(g) ?? new Map<number, [Value, Value]>();
  tables.set(g, known);
  const found = known.get(factor);
  if (found) return found;
  const half = size / 2;
  const angles = rotationAngles(positions, size);
  const table = (of: (angle: number) => number) =>
    g.constant(
      'float32',
      [positions, half],
      angles.flatMap((row) => row.map((angle) => Math.fround(factor * of(angle)))),
    );
  const made: [Value, Value] = [table(Math.cos), table(Math.sin)];
  known.set(factor, made);
  return made;
}

/** Of each position, of the pairs of a head. */
export function rotationAngles(positions: number, size: number): number[][] {
  const frequencies = Array.from({ length: size / 2 }, (_, i) =>
    Math.fround(1 / Math.fround(rotaryBase ** Math.fround((2 * i) / size))),
  );
  return Array.from({ length: positions }, (_, t) => frequencies.map((frequency) => Math.fround(t * frequency)));
}

function mlp(_: LlamaSpec, layers: LlamaLayers, block: string, x_BTD: Value): Value {
  const { g } = layers;
  const [batch, positions, width] = x_BTD.shape as [number, number, number];
  const name = (layer: string) => (g.scope = `${block}.mlp.${layer}`);
  if (!layers.featuresFirst) {
    const gate = layers.linear(x_BTD, name('gate_proj'));
    const up = layers.linear(x_BTD, name('up_proj'));
    g.scope = `${block}.mlp`;
    return layers.linear(swiGlu(g, gate, up), name('down_proj'));
  }
  const x_ND = reshape(g, x_BTD, [batch * positions, width]);
  const rows = (layer: string) => gemm(g, layers.weight(`${name(layer)}.weight`), x_ND, { transA: 0, transB: 1 });
  const y_FN = swiGlu(g, rows('gate_proj'), rows('up_proj'));
  const down_FD = layers.weight(`${name('down_proj')}.weight`);
  return reshape(g, gemm(g, y_FN, down_FD, { transA: 1, transB: 0 }), [batch, positions, width]);
}
