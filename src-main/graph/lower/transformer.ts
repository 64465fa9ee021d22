// Composites of transformers in standard operators, or in ONNX Runtime's own where its CPU provider does them in fewer passes.
// The formulas are in ops/.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { chunksOf, type Chunk } from '../ops/attention.ts';
import { add, cast, div, equal, exp, greater, log, mul, neg, sqrt, sub } from '../ops/elementwise.ts';
import { quickGelu, sigmoid } from '../ops/gating.ts';
import { gather, gatherElements } from '../ops/indexing.ts';
import { gemm, matMul } from '../ops/linalg.ts';
import { concat, slice, transpose } from '../ops/movement.ts';
import { reshape } from '../ops/reshape.ts';
import { reduceMax, reduceMean } from '../ops/reduction.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { SimplifiedLayerNormalization } from '../ops/rmsNorm.ts';
import { RotaryEmbedding } from '../ops/rotary.ts';
import { logSoftmax, softmax } from '../ops/softmax.ts';
import type { Lowering } from './lowering.ts';
import { addRows } from './rows.ts';

/** Added to scores of keys later than the query; its exponential is 0 whatever the score. */
const masked = -1e30;

const last = (x: Value) => x.shape.length - 1;

const lowerRmsNorm: Lowering = (g, { inputs: [x, w], attributes }, provider) => {
  const epsilon = attributes.epsilon as number;
  if (provider === 'cpu') return g.add(SimplifiedLayerNormalization, [x!, w!], { epsilon, axis: -1 });
  const square = reduceMean(g, mul(g, x!, x!), [last(x!)], true);
  const r = div(g, g.scalar(1), sqrt(g, add(g, square, g.scalar(epsilon))));
  return [mul(g, mul(g, x!, r), w!), r];
};

/** Sums over rows and over entries are matrix products, which read dy x once each. */
const lowerRmsNormGradient: Lowering = (g, { inputs }) => {
  const [dy, x, w, r] = inputs as [Value, Value, Value, Value];
  const width = w.shape[0]!;
  const rows = sizeOf(x.shape) / width;
  const product = reshape(g, mul(g, dy, x), [rows, width]);
  const dw = reshape(g, matMul(g, reshape(g, r, [1, rows]), product), [width]);
  const mean = div(g, matMul(g, product, reshape(g, w, [width, 1])), g.scalar(width));
  const slope = mul(g, reshape(g, mean, r.shape), mul(g, r, mul(g, r, r)));
  return [sub(g, mul(g, mul(g, dy, w), r), mul(g, x, slope)), dw];
};

const lowerSwiGlu: Lowering = (g, { inputs: [gate, up] }, provider) => [
  mul(g, provider === 'cpu' ? quickGelu(g, gate!, 1) : mul(g, gate!, sigmoid(g, gate!)), up!),
];

const lowerSwiGluGradient: Lowering = (g, { inputs }, provider) => {
  const [dy, gate, up, y] = inputs as [Value, Value, Value, Value];
  const s = sigmoid(g, gate);
  const dgate = mul(g, dy, add(g, y, mul(g, s, sub(g, up, y))));
  return [dgate, mul(g, dy, provider === 'cpu' ? quickGelu(g, gate, 1) : mul(g, gate, s))];
};

const lowerRotary: Lowering = (g, { inputs, attributes }, provider) => {
  const [x, c, sine] = inputs as [Value, Value, Value];
  const s = attributes.inverse === 1 ? neg(g, sine) : sine;
  const [positions, size] = x.shape.slice(-2) as [number, number];
  if (provider === 'cpu' && x.shape.length > 2) {
    const heads = reshape(g, x, [x.shape[0]!, sizeOf(x.shape.slice(1, -2)), positions, size]);
    const first = g.constant('int64', [1], [0]);
    return [reshape(g, g.add(RotaryEmbedding, [heads, first, c, s], { interleaved: 0 })[0]!, x.shape)];
  }
  const half = (from: number) => slice(g, x, [last(x)], [from], [from + size / 2]);
  const swapped = concat(g, [half(size / 2), half(0)], last(x));
  return [add(g, mul(g, x, concat(g, [c, c], 1)), mul(g, swapped, concat(g, [neg(g, s), s], 1)))];
};

const lowerCausalAttention: Lowering = (g, { inputs, attributes }) => {
  const [q, k, v] = inputs as [Value, Value, Value];
  const chunks = chunksOf(q.shape[3]!, attributes.chunks as number);
  const probabilities = chunks.map((chunk) => {
    const queries = queriesOf(g, q, chunk);
    const scores = matMul(g, queries, swapLast(g, keysOf(g, k, chunk)));
    return softmax(g, maskLater(g, scores, q.shape, chunk));
  });
  const outputs = chunks.map((chunk, c) => {
    const product = matMul(g, probabilities[c]!, keysOf(g, v, chunk));
    return reshape(g, product, withPositions(q, chunk));
  });
  return [outputs.length === 1 ? outputs[0]! : concat(g, outputs, 3), ...probabilities];
};

const lowerCausalAttentionGradient: Lowering = (g, { inputs, attributes }) => {
  const [q, k, v, dy, y, ...probabilities] = inputs as [Value, Value, Value, Value, Value, ...Value[]];
  const chunks = chunksOf(q.shape[3]!, attributes.chunks as number);
  const sums = reduceSum(g, mul(g, dy, y), [4], true);
  const parts = chunks.map((chunk, c) => {
    const p = probabilities[c]!;
    const [queries, gradient] = [queriesOf(g, q, chunk), queriesOf(g, dy, chunk)];
    const dp = matMul(g, gradient, swapLast(g, keysOf(g, v, chunk)));
    const ds = mul(g, p, sub(g, dp, queriesOf(g, sums, chunk)));
    return {
      dq: reshape(g, matMul(g, ds, keysOf(g, k, chunk)), withPositions(q, chunk)),
      dk: matMul(g, swapLast(g, ds), queries),
      dv: matMul(g, swapLast(g, p), gradient),
    };
  });
  const dq = parts.map((part) => part.dq);
  return [
    dq.length === 1 ? dq[0]! : concat(g, dq, 3),
    sumOfPrefixes(
      g,
      parts.map((part) => part.dk),
    ),
    sumOfPrefixes(
      g,
      parts.map((part) => part.dv),
    ),
  ];
};

/** Queries of a chunk, the heads of a group one after the other: [B,K,GQ,h]. */
function queriesOf(g: GraphBuilder, x: Value, { start, end }: Chunk): Value {
  const [batch, heads, group, positions, size] = x.shape as [number, number, number, number, number];
  const part = end - start === positions ? x : slice(g, x, [3], [start], [end]);
  return reshape(g, part, [batch, heads, group * (end - start), size]);
}

/** Keys (or values) that a chunk sees: [B,K,E,h]. */
const keysOf = (g: GraphBuilder, x: Value, { end }: Chunk): Value =>
  end === x.shape[2] ? x : slice(g, x, [2], [0], [end]);

const withPositions = (q: Value, { start, end }: Chunk): number[] => [...q.shape.slice(0, 3), end - start, q.shape[4]!];

const swapLast = (g: GraphBuilder, x: Value): Value => transpose(g, x, [0, 1, 3, 2]);

function maskLater(g: GraphBuilder, scores: Value, [batch, heads, group]: readonly number[], chunk: Chunk): Value {
  const { start, end } = chunk;
  const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const queries = g.constant('float32', [end - start, 1], count(start, end));
  const keys = g.constant('float32', [1, end], count(0, end));
  const mask = mul(g, cast(g, greater(g, keys, queries), 'float32'), g.scalar(masked));
  const grouped = reshape(g, scores, [batch!, heads!, group!, end - start, end]);
  return reshape(g, add(g, grouped, mask), scores.shape);
}

/** Sum of [B,K,E,h] whose extents E grow, each aligned at the first key. */
function sumOfPrefixes(g: GraphBuilder, parts: readonly Value[]): Value {
  return parts.reduce((sum, part) => {
    const [shorter, longer] = [sum.shape[2]!, part.shape[2]!];
    const head = add(g, slice(g, part, [2], [0], [shorter]), sum);
    return concat(g, [head, slice(g, part, [2], [shorter], [longer])], 2);
  });
}

const lowerLinearCrossEntropy: Lowering = (g, { inputs }, provider) => {
  const [h, w, label] = inputs as [Value, Value, Value];
  const logits = gemm(g, h, w, { transA: 0, transB: 1 });
  const logProbability = provider === 'cpu' ? logSoftmax(g, logits) : spelledLogSoftmax(g, logits);
  const rows = label.shape[0]!;
  const picked = gatherElements(g, logProbability, reshape(g, label, [rows, 1]), 1);
  return [neg(g, reshape(g, picked, [rows])), logProbability];
};

function spelledLogSoftmax(g: GraphBuilder, x: Value): Value {
  const shifted = sub(g, x, reduceMax(g, x, [last(x)], true));
  return sub(g, shifted, log(g, reduceSum(g, exp(g, shifted), [last(x)], true)));
}

const lowerLinearCrossEntropyGradient: Lowering = (g, { inputs }, provider) => {
  const [h, w, label, dloss, logProbability] = inputs as [Value, Value, Value, Value, Value];
  const factor = reshape(g, dloss, [dloss.shape[0]!, 1]);
  const p = exp(g, logProbability);
  if (provider === 'cuda') {
    // Nothing is scattered, as for rowSums; and the gradient of the logits is made once for both products.
    const classes = g.constant('int64', [1, w.shape[0]!], [...Array(w.shape[0]).keys()]);
    const oneHot = cast(g, equal(g, reshape(g, label, [label.shape[0]!, 1]), classes), 'float32');
    const dlogits = mul(g, sub(g, p, oneHot), factor);
    return [gemm(g, dlogits, w, { transA: 0, transB: 0 }), gemm(g, dlogits, h, { transA: 1, transB: 0 })];
  }
  const scaled = mul(g, h, factor);
  const dh = mul(g, factor, sub(g, gemm(g, p, w, { transA: 0, transB: 0 }), gather(g, w, label, 0)));
  const dw = addRows(g, gemm(g, p, scaled, { transA: 1, transB: 0 }), label, neg(g, scaled), provider);
  return [dh, dw];
};

export const transformerLowerings: Readonly<Record<string, Lowering>> = {
  RmsNorm: lowerRmsNorm,
  RmsNormGradient: lowerRmsNormGradient,
  SwiGlu: lowerSwiGlu,
  SwiGluGradient: lowerSwiGluGradient,
  Rotary: lowerRotary,
  CausalAttention: lowerCausalAttention,
  CausalAttentionGradient: lowerCausalAttentionGradient,
  LinearCrossEntropy: lowerLinearCrossEntropy,
  LinearCrossEntropyGradient: lowerLinearCrossEntropyGradient,
};
