// The operators of transformers by their formulas in float64, for the interpreter.

import { sizeOf, type Attributes, type Node, type Shape } from '../graph/graph.ts';
import { chunksOf } from '../graph/ops/attention.ts';
import type { TestTensor } from './runOnnx.ts';

type Kernel = (inputs: readonly TestTensor[], attributes: Attributes, node: Node) => TestTensor[];

/** Calls `compute` for each row of the last axis with its elements in all inputs; gives the rows of each output. */
function byRow(compute: (rows: number[][], row: number) => number[][]): Kernel {
  return (inputs, _, node) => {
    const rows = sizeOf(inputs[0]!.shape.slice(0, -1));
    const results: number[][] = node.outputs.map(() => []);
    for (let row = 0; row < rows; row++) {
      const parts = inputs.map(({ data }) => {
        const width = data.length / rows;
        return Array.from({ length: width }, (_, i) => data[row * width + i]!);
      });
      compute(parts, row).forEach((part, i) => results[i]!.push(...part));
    }
    return results.map((data, i) => ({ shape: node.outputs[i]!.shape, data }));
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0);

function logSoftmax(row: readonly number[]): number[] {
  const shift = Math.max(...row);
  const logSum = shift + Math.log(sum(row.map((x) => Math.exp(x - shift))));
  return row.map((x) => x - logSum);
}

/** y and r; the weight is the same for every row, so it is taken apart from them. */
const rmsNorm: Kernel = ([x, w], { epsilon }, node) =>
  byRow(([row]) => {
    const r = 1 / Math.sqrt(sum(row!.map((v) => v * v)) / row!.length + (epsilon as number));
    return [row!.map((v, i) => v * r * w!.data[i]!), [r]];
  })([x!], {}, node);

const rmsNormGradient: Kernel = ([dy, x, w, r]) => {
  const width = w!.shape[0]!;
  const dx = new Float64Array(x!.data.length);
  const dw = new Float64Array(width);
  for (let row = 0; row < r!.data.length; row++) {
    const scale = r!.data[row]!;
    let mean = 0;
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      mean += (dy!.data[at]! * w!.data[i]! * x!.data[at]!) / width;
      dw[i]! += dy!.data[at]! * x!.data[at]! * scale;
    }
    for (let i = 0; i < width; i++) {
      const at = row * width + i;
      dx[at] = scale * dy!.data[at]! * w!.data[i]! - x!.data[at]! * scale ** 3 * mean;
    }
  }
  return [
    { shape: x!.shape, data: dx },
    { shape: w!.shape, data: dw },
  ];
};

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

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

const causalAttention: Kernel = ([q, k, v], { chunks }, node) => {
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

const causalAttentionGradient: Kernel = ([q, k, v, dy]) => {
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

const linearCrossEntropy: Kernel = ([h, w, label]) => {
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

const linearCrossEntropyGradient: Kernel = ([h, w, label, dloss, logs]) => {
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

const gatherGradient: Kernel = ([dy, indices], attributes) => {
  const shape = attributes.shape as Shape;
  const width = sizeOf(shape.slice(1));
  const data = new Float64Array(sizeOf(shape));
  Array.from(dy!.data).forEach((d, i) => (data[indices!.data[Math.floor(i / width)]! * width + (i % width)]! += d));
  return [{ shape, data }];
};

const scatterRows: Kernel = ([data, indices, updates]) => {
  const width = sizeOf(data!.shape.slice(1));
  const result = Float64Array.from(data!.data);
  Array.from(updates!.data).forEach(
    (u, i) => (result[indices!.data[Math.floor(i / width)]! * width + (i % width)]! += u),
  );
  return [{ shape: data!.shape, data: result }];
};

const gatherElements: Kernel = ([x, indices], attributes) => {
  const axis = attributes.axis as number;
  const [inner, extent] = [sizeOf(x!.shape.slice(axis + 1)), x!.shape[axis]!];
  const taken = indices!.shape[axis]!;
  const data = Array.from(indices!.data, (index, i) => {
    const outer = Math.floor(i / (taken * inner));
    return x!.data[(outer * extent + index) * inner + (i % inner)]!;
  });
  return [{ shape: indices!.shape, data }];
};

export const transformerKernels: Readonly<Record<string, Kernel>> = {
  Softmax: byRow(([x]) => [logSoftmax(x!).map(Math.exp)]),
  LogSoftmax: byRow(([x]) => [logSoftmax(x!)]),
  RmsNorm: rmsNorm,
  SimplifiedLayerNormalization: rmsNorm,
  RmsNormGradient: rmsNormGradient,
  Sigmoid: byRow(([x]) => [x!.map(sigmoid)]),
  QuickGelu: (inputs, { alpha }, node) =>
    byRow(([x]) => [x!.map((v) => v * sigmoid((alpha as number) * v))])(inputs, {}, node),
  SwiGlu: byRow(([gate, up]) => [gate!.map((v, i) => v * sigmoid(v) * up![i]!)]),
  SwiGluGradient: byRow(([dy, gate, up]) => [
    dy!.map((d, i) => d * up![i]! * sigmoid(gate![i]!) * (1 + gate![i]! * (1 - sigmoid(gate![i]!)))),
    dy!.map((d, i) => d * gate![i]! * sigmoid(gate![i]!)),
  ]),
  Rotary: turn(({ inverse }) => (inverse === 1 ? -1 : 1)),
  RotaryEmbedding: turn(() => 1),
  CausalAttention: causalAttention,
  CausalAttentionGradient: causalAttentionGradient,
  LinearCrossEntropy: linearCrossEntropy,
  LinearCrossEntropyGradient: linearCrossEntropyGradient,
  GatherGradient: gatherGradient,
  GatherElements: gatherElements,
  ScatterND: scatterRows,
};
