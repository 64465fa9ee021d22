// Causal attention of grouped queries: y = softmax(q kT, masked to keys that are not later than the query) v.
//
// Scores are not scaled here; fold the scale into q. Queries are taken in chunks, each against the keys up to its end only, which saves
// work and memory; the probabilities of each chunk are outputs that the gradient reads.
// Shape legend: B batch, K key-value heads, G query heads per key-value head, T positions, h head size; chunk c: Q queries, E keys.

import {
  sameShape,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type TensorType,
  type Value,
} from '../graph.ts';

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
  gradient({ g, inputs, outputs, attributes, outputGradients }) {
    if (outputGradients.slice(1).some((gradient) => gradient))
      throw shapeError('CausalAttention', 'no gradient goes through the probabilities', inputs);
    return [...g.add(CausalAttentionGradient, [...inputs, outputGradients[0]!, ...outputs], attributes)];
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
};

export const causalAttention = (g: GraphBuilder, q: Value, k: Value, v: Value, chunks: number): Value =>
  g.add(CausalAttention, [q, k, v], { chunks })[0]!;

export const attentionOps = [CausalAttention, CausalAttentionGradient] as Op<Attributes>[];
