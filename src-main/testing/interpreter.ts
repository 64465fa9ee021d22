// Reference interpreter: runs a graph, composite operators included, in float64 by the plainest arithmetic. For tests only.

import type { Attributes, Graph, Node, Shape } from '../graph/graph.ts';
import { sizeOf } from '../graph/graph.ts';
import type { TestTensor } from './runOnnx.ts';
import { transformerKernels } from './transformerKernels.ts';

type Kernel = (inputs: readonly TestTensor[], attributes: Attributes, node: Node) => TestTensor[];

/** Outputs by name. */
export function interpret(graph: Graph, feeds: ReadonlyMap<string, TestTensor>): Map<string, TestTensor> {
  const values = new Map<string, TestTensor>();
  for (const input of graph.inputs) {
    const feed = feeds.get(input.name);
    if (!feed || feed.data.length !== sizeOf(input.shape)) throw new Error(`no fitting value for input ${input.name}`);
    values.set(input.name, { shape: input.shape, data: feed.data });
  }
  for (const { value, data } of graph.constants) values.set(value.name, { shape: value.shape, data });
  for (const node of graph.nodes) {
    const kernel = kernels[node.op.type];
    if (!kernel) throw new Error(`the interpreter has no ${node.op.type}`);
    const results = kernel(
      node.inputs.map((input) => values.get(input.name)!),
      node.attributes,
      node,
    );
    results.forEach((result, i) => values.set(node.outputs[i]!.name, result));
  }
  return new Map(graph.outputs.map(({ name, value }) => [name, values.get(value.name)!]));
}

const stridesOf = (shape: Shape): number[] => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** Position of each axis for every element in row-major order. */
function* positions(shape: Shape): Generator<number[]> {
  const position = shape.map(() => 0);
  for (let i = 0; i < sizeOf(shape); i++) {
    yield position;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      if (position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
}

function generate(shape: Shape, at: (position: readonly number[]) => number): TestTensor {
  const data = new Float64Array(sizeOf(shape));
  let i = 0;
  for (const position of positions(shape)) data[i++] = at(position);
  return { shape, data };
}

/** Element at a position, broadcasting. */
function read({ shape, data }: TestTensor, position: readonly number[]): number {
  const lead = position.length - shape.length;
  const strides = stridesOf(shape);
  return data[
    shape.reduce((sum, extent, axis) => sum + (extent === 1 ? 0 : position[axis + lead]! * strides[axis]!), 0)
  ]!;
}

const elementwise =
  (compute: (...operands: number[]) => number): Kernel =>
  (inputs, _, node) => [
    generate(node.outputs[0]!.shape, (position) => compute(...inputs.map((x) => read(x, position)))),
  ];

const reduction =
  (start: number, step: (sum: number, x: number) => number, end: (sum: number, count: number) => number): Kernel =>
  ([x], attributes, node) => {
    const axes = attributes.axes as readonly number[];
    const kept = x!.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const strides = stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
    const sums = new Float64Array(sizeOf(kept)).fill(start);
    let i = 0;
    for (const position of positions(x!.shape)) {
      const at = position.reduce((sum, p, axis) => sum + p * strides[axis]!, 0);
      sums[at] = step(sums[at]!, x!.data[i++]!);
    }
    return [{ shape: node.outputs[0]!.shape, data: sums.map((sum) => end(sum, x!.data.length / sums.length)) }];
  };

/** Calls `visit(image offset, weight offset, output offset)` for every product of a 2-D or 3-D convolution. */
function eachProduct(
  x: Shape,
  w: Shape,
  y: Shape,
  attributes: Attributes,
  visit: (x: number, w: number, y: number) => void,
) {
  const { strides, pads, dilations, group = 1 } = attributes as Record<string, number[]> & { group?: number };
  const rank = x.length - 2;
  const perGroup = w[0]! / group;
  const [xs, ws] = [stridesOf(x), stridesOf(w)];
  let output = 0;
  for (const at of positions(y)) {
    const firstChannel = Math.floor(at[1]! / perGroup) * w[1]!;
    for (const tap of positions(w.slice(1))) {
      let [from, inside] = [at[0]! * xs[0]! + (firstChannel + tap[0]!) * xs[1]!, true];
      for (let i = 0; i < rank; i++) {
        const p = at[i + 2]! * strides![i]! - pads![i]! + tap[i + 1]! * (dilations?.[i] ?? 1);
        inside &&= p >= 0 && p < x[i + 2]!;
        from += p * xs[i + 2]!;
      }
      if (inside) visit(from, at[1]! * ws[0]! + tap.reduce((sum, t, i) => sum + t * ws[i + 1]!, 0), output);
    }
    output++;
  }
}

const convolution: Kernel = ([x, w], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(x!.shape, w!.shape, shape, attributes, (i, j, k) => (data[k]! += x!.data[i]! * w!.data[j]!));
  return [{ shape, data }];
};

const convolutionInputGradient: Kernel = ([dy, w], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(shape, w!.shape, dy!.shape, attributes, (i, j, k) => (data[i]! += dy!.data[k]! * w!.data[j]!));
  return [{ shape, data }];
};

const convolutionWeightGradient: Kernel = ([x, dy], attributes, node) => {
  const shape = node.outputs[0]!.shape;
  const data = new Float64Array(sizeOf(shape));
  eachProduct(x!.shape, shape, dy!.shape, attributes, (i, j, k) => (data[j]! += x!.data[i]! * dy!.data[k]!));
  return [{ shape, data }];
};

const maxPool: Kernel = ([x], attributes, node) => {
  const { kernel_shape: kernel, strides, pads } = attributes as Record<string, number[]>;
  const shape = node.outputs[0]!.shape;
  const xs = stridesOf(x!.shape);
  const indices = generate(shape, (at) => {
    let [best, largest] = [-1, -Infinity];
    for (const tap of positions(kernel!)) {
      const p = tap.map((t, i) => at[i + 2]! * strides![i]! - pads![i]! + t);
      if (p.some((q, i) => q < 0 || q >= x!.shape[i + 2]!)) continue;
      const index = at[0]! * xs[0]! + at[1]! * xs[1]! + p.reduce((sum, q, i) => sum + q * xs[i + 2]!, 0);
      if (x!.data[index]! > largest) [best, largest] = [index, x!.data[index]!];
    }
    return best;
  });
  return [{ shape, data: Array.from(indices.data, (index) => x!.data[index]!) }, indices];
};

const matMul: Kernel = ([a, b], _, node) => {
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

const gemm: Kernel = ([a, b, c], { transA, transB }, node) => {
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

/** Mean of `f(element, channel)` per channel. */
function channelMeans({ shape, data }: TestTensor, f: (x: number, channel: number, i: number) => number): Float64Array {
  const image = sizeOf(shape.slice(2));
  const means = new Float64Array(shape[1]!);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / image) % shape[1]!;
    means[channel]! += f(data[i]!, channel, i) / (data.length / shape[1]!);
  }
  return means;
}

const batchNormalization: Kernel = ([x, scale, bias, mean, variance], attributes) => {
  const training = attributes.training_mode === 1;
  const m = training ? channelMeans(x!, (v) => v) : mean!.data;
  const v = training ? channelMeans(x!, (value, c) => (value - m[c]!) ** 2) : variance!.data;
  const channels = x!.shape[1]!;
  const y = generate(x!.shape, () => 0);
  const image = sizeOf(x!.shape.slice(2));
  const data = Float64Array.from(y.data, (_, i) => {
    const c = Math.floor(i / image) % channels;
    return (
      ((x!.data[i]! - m[c]!) / Math.sqrt(v[c]! + (attributes.epsilon as number))) * scale!.data[c]! + bias!.data[c]!
    );
  });
  return [{ shape: x!.shape, data }, ...(training ? [m, v].map((d) => ({ shape: [channels], data: d })) : [])];
};

const batchNormalizationGradient: Kernel = ([dy, x, scale, mean, variance], attributes) => {
  const channels = [x!.shape[1]!];
  const count = x!.data.length / channels[0]!;
  const s = Array.from(variance!.data, (v) => Math.sqrt(v + (attributes.epsilon as number)));
  const xhat = (value: number, c: number) => (value - mean!.data[c]!) / s[c]!;
  const meanDy = channelMeans(dy!, (d) => d);
  const meanDyXhat = channelMeans(dy!, (d, c, i) => d * xhat(x!.data[i]!, c));
  const image = sizeOf(x!.shape.slice(2));
  const dx = Float64Array.from(dy!.data, (d, i) => {
    const c = Math.floor(i / image) % channels[0]!;
    return (scale!.data[c]! / s[c]!) * (d - meanDy[c]! - xhat(x!.data[i]!, c) * meanDyXhat[c]!);
  });
  const total = (means: Float64Array): TestTensor => ({ shape: channels, data: means.map((m) => m * count) });
  return [{ shape: x!.shape, data: dx }, total(meanDyXhat), total(meanDy)];
};

/** Rows of the last axis, each mapped to numbers; `visit` gets a row and its first offset. */
function eachRow({ shape, data }: TestTensor, visit: (row: number[], offset: number) => void): void {
  const size = shape.at(-1)!;
  for (let offset = 0; offset < data.length; offset += size)
    visit(
      Array.from({ length: size }, (_, i) => data[offset + i]!),
      offset,
    );
}

const average = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

const layerNormalization: Kernel = ([x, scale, bias], attributes, node) => {
  const y = new Float64Array(x!.data.length);
  const statistics: [number[], number[]] = [[], []];
  eachRow(x!, (row, offset) => {
    const mean = average(row);
    const inverse = 1 / Math.sqrt(average(row.map((v) => (v - mean) ** 2)) + (attributes.epsilon as number));
    row.forEach((v, i) => (y[offset + i] = (v - mean) * inverse * scale!.data[i]! + bias!.data[i]!));
    statistics[0].push(mean);
    statistics[1].push(inverse);
  });
  const rows = node.outputs[1]!.shape;
  return [{ shape: x!.shape, data: y }, ...statistics.map((data) => ({ shape: rows, data }))];
};

const layerNormalizationGradient: Kernel = ([dy, x, scale, mean, inverse]) => {
  const dx = new Float64Array(x!.data.length);
  const [dscale, dbias] = [scale!.data, scale!.data].map((entries) => new Float64Array(entries.length));
  eachRow(x!, (row, offset) => {
    const r = inverse!.data[offset / row.length]!;
    const xhat = row.map((v) => (v - mean!.data[offset / row.length]!) * r);
    const d = row.map((_, i) => dy!.data[offset + i]! * scale!.data[i]!);
    const slope = average(d.map((v, i) => v * xhat[i]!));
    row.forEach((_, i) => {
      dx[offset + i] = r * (d[i]! - average(d) - xhat[i]! * slope);
      dscale![i]! += dy!.data[offset + i]! * xhat[i]!;
      dbias![i]! += dy!.data[offset + i]!;
    });
  });
  return [{ shape: x!.shape, data: dx }, ...[dscale!, dbias!].map((data) => ({ shape: scale!.shape, data }))];
};

/** erf(x) = 2 / sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (2n+1)!!, whose terms have one sign. */
function erf(x: number): number {
  let [sum, term] = [0, x];
  for (let n = 0; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const normalDistribution = (x: number) => 0.5 * (1 + erf(x / Math.SQRT2));
const normalDensity = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

const split: Kernel = ([x], attributes, node) => {
  const axis = attributes.axis as number;
  let start = 0;
  return node.outputs.map(({ shape }) => {
    const from = start;
    start += shape[axis]!;
    return generate(shape, (at) =>
      read(
        x!,
        at.map((p, i) => (i === axis ? p + from : p)),
      ),
    );
  });
};

const scatterAdd: Kernel = ([data, indices, updates], attributes) => {
  const axis = attributes.axis as number;
  const result = Float64Array.from(data!.data);
  const strides = stridesOf(data!.shape);
  let i = 0;
  for (const at of positions(updates!.shape)) {
    const offset = at.reduce((sum, p, a) => sum + (a === axis ? indices!.data[i]! : p) * strides[a]!, 0);
    result[offset]! += updates!.data[i++]!;
  }
  return [{ shape: data!.shape, data: result }];
};

const copy: Kernel = ([x], _, node) => [{ shape: node.outputs[0]!.shape, data: x!.data }];

/** Output elements read from one input at a mapped position. */
const moved =
  (
    from: (position: readonly number[], attributes: Attributes, inputs: readonly TestTensor[]) => number[] | null,
  ): Kernel =>
  (inputs, attributes, node) => [
    generate(node.outputs[0]!.shape, (position) => {
      const source = from(position, attributes, inputs);
      return source ? read(inputs[0]!, source) : 0;
    }),
  ];

const concat: Kernel = (inputs, attributes, node) => {
  const axis = attributes.axis as number;
  return [
    generate(node.outputs[0]!.shape, (position) => {
      let [part, offset] = [0, position[axis]!];
      while (offset >= inputs[part]!.shape[axis]!) offset -= inputs[part++]!.shape[axis]!;
      return read(
        inputs[part]!,
        position.map((p, i) => (i === axis ? offset : p)),
      );
    }),
  ];
};

export const kernels: Readonly<Record<string, Kernel>> = {
  Add: elementwise((a, b) => a + b),
  Sub: elementwise((a, b) => a - b),
  Mul: elementwise((a, b) => a * b),
  Div: elementwise((a, b) => a / b),
  Neg: elementwise((a) => -a),
  Exp: elementwise((a) => Math.exp(a)),
  Log: elementwise((a) => Math.log(a)),
  Sqrt: elementwise((a) => Math.sqrt(a)),
  Erf: elementwise((a) => erf(a)),
  Gelu: elementwise((a) => a * normalDistribution(a)),
  GeluGradient: elementwise((dy, a) => dy * (normalDistribution(a) + a * normalDensity(a))),
  Relu: elementwise((a) => Math.max(a, 0)),
  HardSigmoid: (inputs, attributes, node) =>
    elementwise((a) => Math.min(1, Math.max(0, (attributes.alpha as number) * a + (attributes.beta as number))))(
      inputs,
      attributes,
      node,
    ),
  Greater: elementwise((a, b) => Number(a > b)),
  Equal: elementwise((a, b) => Number(a === b)),
  Where: elementwise((condition, a, b) => (condition ? a : b)),
  ReluGradient: elementwise((dy, y) => (y > 0 ? dy : 0)),
  Identity: copy,
  StopGradient: copy,
  Cast: (inputs, attributes, node) =>
    elementwise((a) => (node.outputs[0]!.dtype.startsWith('int') ? Math.trunc(a) : a))(inputs, attributes, node),
  ReduceSum: reduction(
    0,
    (sum, x) => sum + x,
    (sum) => sum,
  ),
  ReduceMean: reduction(
    0,
    (sum, x) => sum + x,
    (sum, count) => sum / count,
  ),
  ReduceMax: reduction(-Infinity, Math.max, (max) => max),
  Reshape: copy,
  Size: ([x]) => [{ shape: [], data: [x!.data.length] }],
  Transpose: moved((position, { perm }) => {
    const source: number[] = [];
    (perm as number[]).forEach((axis, i) => (source[axis] = position[i]!));
    return source;
  }),
  Expand: moved((position) => [...position]),
  Pad: moved((position, { pads }, [x]) => {
    const source = position.map((p, axis) => p - (pads as number[])[axis]!);
    return source.every((p, axis) => p >= 0 && p < x!.shape[axis]!) ? source : null;
  }),
  Concat: concat,
  Slice: moved((position, { axes, starts }) => {
    const source = [...position];
    (axes as number[]).forEach((axis, i) => (source[axis]! += (starts as number[])[i]!));
    return source;
  }),
  Gather: moved((position, attributes, [, indices]) => {
    const axis = attributes.axis as number;
    const rank = indices!.shape.length;
    return [
      ...position.slice(0, axis),
      read(indices!, position.slice(axis, axis + rank)),
      ...position.slice(axis + rank),
    ];
  }),
  Take: moved((position, attributes) => {
    const axis = attributes.axis as number;
    const index = (attributes.indices as number[])[position[axis]!]!;
    return index === -1 ? null : position.map((p, i) => (i === axis ? index : p));
  }),
  Split: split,
  LayerNormalization: layerNormalization,
  LayerNormalizationGradient: layerNormalizationGradient,
  ScatterElements: scatterAdd,
  MatMul: matMul,
  Gemm: gemm,
  Conv: convolution,
  ConvTranspose: convolutionInputGradient,
  ConvInputGradient: convolutionInputGradient,
  ConvWeightGradient: convolutionWeightGradient,
  MaxPool: maxPool,
  MaxPoolGradient: ([dy, indices, x]) => {
    const data = new Float64Array(x!.data.length);
    Array.from(dy!.data).forEach((d, i) => (data[indices!.data[i]!]! += d));
    return [{ shape: x!.shape, data }];
  },
  BatchNormalization: batchNormalization,
  BatchNormalizationGradient: batchNormalizationGradient,
  ...transformerKernels,
};
