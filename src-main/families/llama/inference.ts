// The network for files that leave the app: any batch, and any number of positions up to those of a training sequence.
//
// Positions count the tokens that are attended to, so texts of several lengths, padded at the left, make a batch. With a cache, ports have
// the names and meanings of Hugging Face Optimum's text generation.
// Shape legend: B batch, T tokens, S tokens with those of the cache, H heads, K key-value heads, h head size.

import { GraphBuilder, type Value } from '../../graph/graph.ts';
import { lower } from '../../graph/lower/lower.ts';
import { cumSum } from '../../graph/ops/cumSum.ts';
import { add, cast, equal, greater, mul, sub, where } from '../../graph/ops/elementwise.ts';
import { gather } from '../../graph/ops/indexing.ts';
import { matMul } from '../../graph/ops/linalg.ts';
import { concat, slice, transpose } from '../../graph/ops/movement.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { softmax } from '../../graph/ops/softmax.ts';
import { removeDeadCode } from '../../graph/passes/deadCode.ts';
import { verify } from '../../graph/verify.ts';
import type { ModelGraph, TensorSpec } from '../../models/model.ts';
import { Ports } from '../../models/ports.ts';
import type { LlamaSpec } from './config.ts';
import { llamaHidden, rotationAngles } from './forward.ts';
import { groupSize, headName, headSize, llamaBlocks } from './tensors.ts';

/** Added to scores that do not count. It is a number of float16 too. */
const apart = -1e4;

/** Extents of the dynamic axes in a graph with a cache; files do not have them. */
const [tokens, cached] = [2, 3];

interface Positions {
  /** What is added to scores [B,1,T,S]. */
  bias: Value;
  /** Factors of a head and of its halves exchanged, [B,1,T,h]. */
  cosines: Value;
  sines: Value;
}

/** `input` -> `logits`. */
export function llamaInference(spec: LlamaSpec, tensors: TensorSpec[]): ModelGraph {
  const g = new GraphBuilder('llama');
  const input = g.input('input', 'int64', [1, spec.seq]);
  // Not a cast, which onnxconverter-common makes invalid behind a comparison.
  const one = where(g, equal(g, input, input), g.scalar(1), g.scalar(0));
  const positions = countFrom0(g, one);
  const built = network(
    spec,
    tensors,
    g,
    input,
    positionsOf(spec, g, positions, positions),
    (_, _name, value) => value,
  );
  const axes = { 0: 'batch', 1: 'sequence' };
  return { ...built, dynamicAxes: { input: axes, logits: axes } };
}

/** `input_ids`, `attention_mask`, `position_ids`, `past_key_values.N.key` and `.value` -> `logits`, `present.N.key` and `.value`. */
export function llamaDecoding(spec: LlamaSpec, tensors: TensorSpec[]): ModelGraph {
  const g = new GraphBuilder('llama');
  const input = g.input('input_ids', 'int64', [1, tokens]);
  const mask = g.input('attention_mask', 'int64', [1, cached + tokens]);
  const ids = g.input('position_ids', 'int64', [1, tokens]);
  const attended = cast(g, mask, 'float32');
  const positions = positionsOf(spec, g, ids, countFrom0(g, attended));
  const padding = mul(g, sub(g, g.scalar(1), attended), g.scalar(apart));
  positions.bias = add(g, positions.bias, reshape(g, padding, [0, 1, 1, -1]));
  const sequence = { 0: 'batch', 1: 'sequence_length' };
  const total = 'past_sequence_length + sequence_length';
  const dynamicAxes: Record<string, Record<number, string>> = {
    input_ids: sequence,
    attention_mask: { 0: 'batch', 1: total },
    position_ids: sequence,
    logits: sequence,
  };
  const built = network(spec, tensors, g, input, positions, (layer, name, value) => {
    const [past, present] = [`past_key_values.${layer}.${name}`, `present.${layer}.${name}`];
    dynamicAxes[past] = { 0: 'batch', 2: 'past_sequence_length' };
    dynamicAxes[present] = { 0: 'batch', 2: total };
    const before = g.input(past, 'float32', [1, spec.kvHeads, cached, headSize(spec)]);
    const all = concat(g, [before, value], 2);
    g.output(present, all);
    return all;
  });
  return { ...built, dynamicAxes };
}

/** `cache` gets the new keys or values of a layer [B,K,T,h], and gives those that are attended to [B,K,S,h]. */
type Cache = (layer: number, name: 'key' | 'value', value: Value) => Value;

function network(
  spec: LlamaSpec,
  tensors: TensorSpec[],
  g: GraphBuilder,
  input: Value,
  positions: Positions,
  cache: Cache,
): ModelGraph {
  const ports = new Ports(g, tensors, 'block', () => null);
  const product = (x: Value, name: string) => matMul(g, x, transpose(g, ports.input(name), [1, 0]));
  const linear = (x: Value, layer: string) => product(x, `${layer}.weight`);
  const blocks = llamaBlocks(spec);
  const hidden = llamaHidden(
    spec,
    {
      g,
      weight: (name) => ports.input(name),
      linear,
      hasBlock: () => true,
      units: (group) => (group.endsWith('/heads') ? spec.kvHeads : spec.ff),
      attention: (_spec, _layers, block, x) =>
        attention(spec, g, linear, block, x, positions, (name, value) => cache(blocks.indexOf(block), name, value)),
      branchScale: 1,
      featuresFirst: false,
      branch: (_block, _x, output) => output,
      features: (x) => x,
    },
    input,
  );
  g.output('logits', product(hidden, headName(spec)));
  return { graph: verify(lower(removeDeadCode(g.build()), 'any')), batch: 1, inputs: ports.inputs, outputs: [] };
}

function attention(
  spec: LlamaSpec,
  g: GraphBuilder,
  linear: (x: Value, layer: string) => Value,
  block: string,
  x_BTD: Value,
  positions: Positions,
  cache: (name: 'key' | 'value', value: Value) => Value,
): Value {
  const size = headSize(spec);
  const heads = (layer: string, count: number) => {
    g.scope = `${block}.self_attn.${layer}`;
    return transpose(g, reshape(g, linear(x_BTD, g.scope), [0, 0, count, size]), [0, 2, 1, 3]);
  };
  const [q_BHTh, k_BKTh, v_BKTh] = [
    heads('q_proj', spec.heads),
    heads('k_proj', spec.kvHeads),
    heads('v_proj', spec.kvHeads),
  ];
  g.scope = `${block}.self_attn`;
  const query = mul(g, rotate(g, q_BHTh, positions), g.scalar(size ** -0.5));
  const key_BHSh = repeated(spec, g, cache('key', rotate(g, k_BKTh, positions)));
  const value_BHSh = repeated(spec, g, cache('value', v_BKTh));
  const scores = add(g, matMul(g, query, transpose(g, key_BHSh, [0, 1, 3, 2])), positions.bias);
  const mixed = transpose(g, matMul(g, softmax(g, scores), value_BHSh), [0, 2, 1, 3]);
  g.scope = `${block}.self_attn.o_proj`;
  return linear(reshape(g, mixed, [0, 0, spec.heads * size]), g.scope);
}

/** [B,K,S,h] to [B,H,S,h]: once for each query head that reads it. */
function repeated(spec: LlamaSpec, g: GraphBuilder, x: Value): Value {
  const group = groupSize(spec);
  if (group === 1) return x;
  const apart = reshape(g, x, [0, spec.kvHeads, 1, -1, headSize(spec)]);
  const all = concat(g, new Array<Value>(group).fill(apart), 2);
  return reshape(g, all, [0, spec.heads, -1, headSize(spec)]);
}

/** As Rotary does (graph/ops/rotary.ts). */
function rotate(g: GraphBuilder, x: Value, { cosines, sines }: Positions): Value {
  const size = x.shape[3]!;
  const half = (from: number) => slice(g, x, [3], [from], [from + size / 2]);
  return add(g, mul(g, x, cosines), mul(g, concat(g, [half(size / 2), half(0)], 3), sines));
}

/** Of tokens at `positions` [B,T] that attend to keys at `keyPositions` [B,S], each to those that are not behind it. */
function positionsOf(spec: LlamaSpec, g: GraphBuilder, positions: Value, keyPositions: Value): Positions {
  g.scope = 'model.positions';
  const behind = greater(g, reshape(g, keyPositions, [0, 1, 1, -1]), reshape(g, positions, [0, 1, -1, 1]));
  const size = headSize(spec);
  const angles = rotationAngles(spec.seq, size);
  const table = (of: (angle: number) => readonly [first: number, second: number]) => {
    const rows = angles.flatMap((row) => [...row.map((angle) => of(angle)[0]), ...row.map((angle) => of(angle)[1])]);
    const constant = g.constant('float32', [spec.seq, size], rows.map(Math.fround));
    return reshape(g, gather(g, constant, positions, 0), [0, 1, -1, size]);
  };
  return {
    bias: where(g, behind, g.scalar(apart), g.scalar(0)),
    cosines: table((angle) => [Math.cos(angle), Math.cos(angle)]),
    sines: table((angle) => [-Math.sin(angle), Math.sin(angle)]),
  };
}

/**
 * Of tokens that are attended to (1) or not (0), float32 [B,S], how many of the former come before each, int64. Sums are float32, as candle
 * and tract have no others.
 */
const countFrom0 = (g: GraphBuilder, attended: Value): Value =>
  sub(g, cast(g, cumSum(g, attended, 1), 'int64'), g.scalar(1, 'int64'));
