// Causal attention of grouped queries: y = softmax(q kT, masked to keys that are not later than the query) v.
//
// Scores are not scaled here; fold the scale into q. Queries are taken in chunks, each against the keys up to its end only, which saves
// work and memory; the probabilities of each chunk are outputs that the gradient reads.
// Shape legend: B batch, K key-value heads, G query heads per key-value head, T positions, h head size; chunk c: Q queries, E keys.

import { sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type TensorType, type Value } from '../graph.ts';
import { reduceSum } from './broadcast.ts';
import { add, cast, greater, mul, sub } from './elementwise.ts';
import { matMul } from './linalg.ts';
import { concat, slice, transpose } from './movement.ts';
import { reshape } from './reshape.ts';
import { softmax } from './softmax.ts';

/** Queries [start, end) against keys [0, end). */
export interface Chunk {
  start: number;
  end: number;
}

type AttentionAttributes = { chunks: number };

/** Chunks as even as they can be. */
export const chunksOf = (positions: number, chunks: number): Chunk[] =>
  Array.from({ length: chunks }, (_, c) => ({
    start: Math.floor((c * positions) / chunks),
    end: Math.floor(((c + 1) * positions) / chunks),
  }));

function probabilityTypes([q]: readonly Value[], chunks: number): TensorType[] {
  const [batch, heads, group, positions] = q!.shape as [number, number, number, number];
  return chunksOf(positions, chunks).map(({ start, end }) => ({
    dtype: q!.dtype,
    shape: [batch, heads, group * (end - start), end],
  }));
}

function requireHeads(type: string, inputs: readonly Value[], chunks: number): void {
  const [q, k, v] = inputs;
  const [batch, heads, , positions, size] = q!.shape;
  const expected = [batch!, heads!, positions!, size!];
  const fits = q!.shape.length === 5 && sameShape(k!.shape, expected) && sameShape(v!.shape, expected);
  if (!fits || chunks < 1 || chunks > positions!)
    throw shapeError(type, 'queries, keys and values do not fit', inputs, { chunks });
}

/** Multiply-adds of one product of queries and keys, times two. */
function productFlops(q: Value, chunks: number): number {
  const [batch, heads, group, positions, size] = q.shape as [number, number, number, number, number];
  const pairs = chunksOf(positions, chunks).reduce((sum, { start, end }) => sum + (end - start) * end, 0);
  return 2 * batch * heads * group * pairs * size;
}

/** Composite. Inputs: q [B,K,G,T,h], k and v [B,K,T,h]. Outputs: y [B,K,G,T,h], then the probabilities [B,K,GQ,E] of each chunk. */
export const CausalAttention: Op<AttentionAttributes> = {
  type: 'CausalAttention',
  kind: 'composite',
  infer(inputs, { chunks }) {
    requireHeads('CausalAttention', inputs, chunks);
    return [{ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape }, ...probabilityTypes(inputs, chunks)];
  },
  flops: ({ inputs, outputs, attributes }) =>
    2 * productFlops(inputs[0]!, attributes.chunks) + 5 * outputs.slice(1).reduce((sum, p) => sum + sizeOf(p.shape), 0),
  saves: { inputs: [0, 1, 2], outputs: 'all' },
  gradient({ g, saved: [q, k, v, ...outputs], inputs, attributes, outputGradients }) {
    if (outputGradients.slice(1).some((gradient) => gradient))
      throw shapeError('CausalAttention', 'no gradient goes through the probabilities', inputs);
    return [...g.add(CausalAttentionGradient, [q!, k!, v!, outputGradients[0]!, ...outputs], attributes)];
  },
  lower(g, { inputs, attributes }) {
    const [q, k, v] = inputs as [Value, Value, Value];
    const chunks = chunksOf(q.shape[3]!, attributes.chunks);
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
  },
};

/**
 * Composite. Inputs: q, k, v, dy, y, probabilities p of each chunk. Outputs: dq, dk, dv.
 * With ds = p (dy vT - sum(dy y)): dq = ds k, dk = dsT q, dv = pT dy. sum(dy y) over h is what softmax's gradient sums over the keys.
 */
export const CausalAttentionGradient: Op<AttentionAttributes> = {
  type: 'CausalAttentionGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, { chunks }) {
    requireHeads('CausalAttentionGradient', inputs, chunks);
    const [q, , , dy, y, ...p] = inputs;
    const expected = probabilityTypes(inputs, chunks);
    const fits = [dy, y].every((x) => x && sameShape(x.shape, q!.shape)) && p.length === chunks;
    if (!fits || !p.every((x, c) => sameShape(x.shape, expected[c]!.shape)))
      throw shapeError('CausalAttentionGradient', 'gradient or probabilities do not fit', inputs, { chunks });
    return inputs.slice(0, 3).map(({ dtype, shape }) => ({ dtype, shape }));
  },
  flops: ({ inputs, attributes }) => 4 * productFlops(inputs[0]!, attributes.chunks),
  lower(g, { inputs, attributes }) {
    const [q, k, v, dy, y, ...probabilities] = inputs as [Value, Value, Value, Value, Value, ...Value[]];
    const chunks = chunksOf(q.shape[3]!, attributes.chunks);
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
  },
};

/** Added to scores of keys later than the query; its exponential is 0 whatever the score. */
const masked = -1e30;

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

export const causalAttention = (g: GraphBuilder, q: Value, k: Value, v: Value, chunks: number): Value =>
  g.add(CausalAttention, [q, k, v], { chunks })[0]!;

export const attentionOps = { CausalAttention, CausalAttentionGradient };
