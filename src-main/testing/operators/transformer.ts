// Matrix products, softmax, and what attention and the loss of tokens are made of.

import { sizeOf, type Attributes, type GraphBuilder, type Shape, type Value } from '../../graph/graph.ts';
import { causalAttention, chunksOf } from '../../graph/ops/attention.ts';
import { gemm, matMul } from '../../graph/ops/linalg.ts';
import { rotary, RotaryEmbedding } from '../../graph/ops/rotary.ts';
import * as softmax from '../../graph/ops/softmax.ts';
import { linearCrossEntropy } from '../../graph/ops/tokenLoss.ts';
import type { TestTensor } from '../runOnnx.ts';
import { byRow, generate, int64, read, sum, type Entry, type Kernel, type OperatorTests } from './kernel.ts';

const matrixProduct: Kernel = ([a, b], _, node) => {
  const inner = a!.shape.at(-1)!;
  return [
    generate(node.outputs[0]!.shape, (at) => {
      let sum = 0;
      const [lead, row, column] = [at.slice(0, -2), at.at(-2)!, at.at(-1)!];
      for (let k = 0; k < inner; k++) sum += read(a!, [...lead, row, k]) * read(b!, [...lead, k, column]);
      return sum;
    }),
  ];
};

const generalProduct: Kernel = ([a, b, c], { transA, transB }, node) => {
  const inner = a!.shape[transA ? 0 : 1]!;
  return [
    generate(node.outputs[0]!.shape, (at) => {
      let sum = c ? read(c, at) : 0;
      for (let k = 0; k < inner; k++)
        sum += read(a!, transA ? [k, at[0]!] : [at[0]!, k]) * read(b!, transB ? [at[1]!, k] : [k, at[1]!]);
      return sum;
    }),
  ];
};

function logSoftmax(row: readonly number[]): number[] {
  const shift = Math.max(...row);
  const logSum = shift + Math.log(sum(row.map((x) => Math.exp(x - shift))));
  return row.map((x) => x - logSum);
}

/** Position of a row among T, with cosines and sines of shape [T, h/2]. */
const turn =
  (direction: (attributes: Attributes) => number): Kernel =>
  (inputs, attributes, node) => {
    const x = inputs[0]!;
    const [c, s] = inputs.slice(-2) as [TestTensor, TestTensor];
    const [positions, half] = c.shape as [number, number];
    return byRow(([row], index) => {
      const at = (i: number) => (index % positions) * half + (i % half);
      return [
        row!.map((v, i) => {
          const other = i < half ? -row![i + half]! : row![i - half]!;
          return v * c.data[at(i)]! + direction(attributes) * other * s.data[at(i)]!;
        }),
      ];
    })([x], {}, node);
  };

interface Heads {
  /** Query rows of all heads and batches: index of the first element of the query's and the key's row of position 0. */
  each(visit: (query: number, keys: number, head: number, t: number) => void): void;
  size: number;
}

/** All queries of q [B,K,G,T,h] with where their keys start in k [B,K,T,h]. */
function headsOf(shape: Shape): Heads {
  const [batch, heads, group, positions, size] = shape as [number, number, number, number, number];
  return {
    size,
    each(visit) {
      for (let head = 0; head < batch * heads * group; head++)
        for (let t = 0; t < positions; t++)
          visit((head * positions + t) * size, Math.floor(head / group) * positions * size, head, t);
    },
  };
}

const dot = (a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number, size: number) => {
  let total = 0;
  for (let n = 0; n < size; n++) total += a[i + n]! * b[j + n]!;
  return total;
};

const probabilitiesOf = (q: TestTensor, k: TestTensor, query: number, keys: number, t: number, size: number) =>
  logSoftmax(Array.from({ length: t + 1 }, (_, e) => dot(q.data, query, k.data, keys + e * size, size))).map(Math.exp);

const attention: Kernel = ([q, k, v], { chunks }, node) => {
  const heads = headsOf(q!.shape);
  const { size } = heads;
  const y = new Float64Array(q!.data.length);
  const [, , group, positions] = q!.shape as [number, number, number, number];
  const bounds = chunksOf(positions, chunks as number);
  const parts = node.outputs.slice(1).map((output) => new Float64Array(sizeOf(output.shape)));
  heads.each((query, keys, head, t) => {
    const p = probabilitiesOf(q!, k!, query, keys, t, size);
    const c = bounds.findIndex(({ end }) => t < end);
    const { start, end } = bounds[c]!;
    const queries = end - start;
    const row = Math.floor(head / group) * group * queries + (head % group) * queries + (t - start);
    p.forEach((weight, e) => {
      parts[c]![row * end + e] = weight;
      for (let i = 0; i < size; i++) y[query + i]! += weight * v!.data[keys + e * size + i]!;
    });
  });
  return [{ shape: q!.shape, data: y }, ...parts.map((data, c) => ({ shape: node.outputs[c + 1]!.shape, data }))];
};

const attentionGradient: Kernel = ([q, k, v, dy]) => {
  const heads = headsOf(q!.shape);
  const { size } = heads;
  const [dq, dk, dv] = [q!, k!, v!].map(({ data }) => new Float64Array(data.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  heads.each((query, keys, _, t) => {
    const p = probabilitiesOf(q!, k!, query, keys, t, size);
    const dp = p.map((_, e) => dot(dy!.data, query, v!.data, keys + e * size, size));
    const mean = sum(p.map((weight, e) => weight * dp[e]!));
    p.forEach((weight, e) => {
      const ds = weight * (dp[e]! - mean);
      for (let i = 0; i < size; i++) {
        const key = keys + e * size + i;
        dq[query + i]! += ds * k!.data[key]!;
        dk[key]! += ds * q!.data[query + i]!;
        dv[key]! += weight * dy!.data[query + i]!;
      }
    });
  });
  return [
    { shape: q!.shape, data: dq },
    { shape: k!.shape, data: dk },
    { shape: v!.shape, data: dv },
  ];
};

const tokenLoss: Kernel = ([h, w, label]) => {
  const [rows, features] = h!.shape as [number, number];
  const vocabulary = w!.shape[0]!;
  const logs = Array.from({ length: rows }, (_, n) =>
    logSoftmax(
      Array.from({ length: vocabulary }, (_, v) => dot(h!.data, n * features, w!.data, v * features, features)),
    ),
  );
  return [
    { shape: [rows], data: logs.map((row, n) => -row[label!.data[n]!]!) },
    { shape: [rows, vocabulary], data: logs.flat() },
  ];
};

const tokenLossGradient: Kernel = ([h, w, label, dloss, logs]) => {
  const [rows, features] = h!.shape as [number, number];
  const vocabulary = w!.shape[0]!;
  const [dh, dw] = [new Float64Array(h!.data.length), new Float64Array(w!.data.length)];
  for (let n = 0; n < rows; n++)
    for (let v = 0; v < vocabulary; v++) {
      const dz = dloss!.data[n]! * (Math.exp(logs!.data[n * vocabulary + v]!) - Number(label!.data[n] === v));
      for (let i = 0; i < features; i++) {
        dh[n * features + i]! += dz * w!.data[v * features + i]!;
        dw[v * features + i]! += dz * h!.data[n * features + i]!;
      }
    }
  return [
    { shape: h!.shape, data: dh },
    { shape: w!.shape, data: dw },
  ];
};

/** Some cosines and sines for rotary embedding; the rules do not need them to be of one angle. */
function angles(g: GraphBuilder, positions: number, size: number): [Value, Value] {
  const values = (f: (angle: number) => number) =>
    g.constant(
      'float32',
      [positions, size / 2],
      Array.from({ length: (positions * size) / 2 }, (_, i) => Math.fround(f(0.7 * i + 0.1))),
    );
  return [values(Math.cos), values(Math.sin)];
}

const heads = [
  [2, 3, 4, 8],
  [2, 2, 3, 4, 6],
  [4, 2],
];
/** Query heads per key-value head, and chunks. */
const attentions = [
  [1, 1],
  [2, 1],
  [2, 2],
  [3, 3],
  [1, 5],
] as const;

export const transformerTests = {
  MatMul: {
    kernel: matrixProduct,
    entries: [
      {
        what: 'matrices',
        inputs: [
          [2, 3],
          [3, 4],
        ],
        build: (g, a, b) => matMul(g, a, b),
      },
      {
        what: 'batches stretched',
        inputs: [
          [5, 1, 2, 3],
          [4, 3, 2],
        ],
        build: (g, a, b) => matMul(g, a, b),
      },
    ],
  },
  Gemm: {
    kernel: generalProduct,
    entries: [0, 1, 2, 3].map((flags): Entry => ({
      what: `transposition ${flags}`,
      inputs: [flags & 1 ? [3, 2] : [2, 3], flags & 2 ? [4, 3] : [3, 4], [4]],
      build: (g, a, b, c) => gemm(g, a, b, { transA: flags & 1, transB: flags >> 1 }, c),
    })),
  },
  Softmax: {
    kernel: byRow(([x]) => [logSoftmax(x!).map(Math.exp)]),
    entries: [{ what: 'last axis', inputs: [[2, 3, 5]], build: (g, x) => softmax.softmax(g, x) }],
  },
  LogSoftmax: {
    kernel: byRow(([x]) => [logSoftmax(x!)]),
    entries: [{ what: 'last axis', inputs: [[3, 5]], build: (g, x) => softmax.logSoftmax(g, x) }],
  },
  Rotary: {
    kernel: turn(({ inverse }) => (inverse === 1 ? -1 : 1)),
    entries: heads.map((shape): Entry => ({
      what: `heads of ${shape.join(' x ')}`,
      inputs: [shape],
      build: (g, x) => rotary(g, x, ...angles(g, shape.at(-2)!, shape.at(-1)!)),
    })),
  },
  RotaryEmbedding: {
    kernel: turn(() => 1),
    entries: [
      {
        what: 'heads',
        inputs: [[2, 3, 4, 8]],
        build: (g, x) => g.add(RotaryEmbedding, [x, int64(g, [0]), ...angles(g, 4, 8)], { interleaved: 0 })[0]!,
      },
    ],
  },
  CausalAttention: {
    kernel: attention,
    entries: attentions.map(([group, chunks]): Entry => ({
      what: `groups of ${group} in ${chunks} chunks`,
      inputs: [
        [2, 2, group, 5, 4],
        [2, 2, 5, 4],
        [2, 2, 5, 4],
      ],
      build: (g, q, k, v) => causalAttention(g, q, k, v, chunks),
    })),
  },
  CausalAttentionGradient: { kernel: attentionGradient },
  LinearCrossEntropy: {
    kernel: tokenLoss,
    entries: [
      {
        what: 'repeated labels',
        inputs: [
          [4, 3],
          [5, 3],
        ],
        build: (g, h, w) => linearCrossEntropy(g, h, w, int64(g, [1, 4, 1, 0])),
      },
    ],
  },
  LinearCrossEntropyGradient: { kernel: tokenLossGradient },
} satisfies OperatorTests;
