// Operators that move, gather and sum up elements.

import { sizeOf, type Attributes, type Shape } from '../../graph/graph.ts';
import { expand, reduceSum } from '../../graph/ops/broadcast.ts';
import { cumSum } from '../../graph/ops/cumSum.ts';
import { add, mul } from '../../graph/ops/elementwise.ts';
import { gather, gatherElements, pick, scatterAdd, scatterRows } from '../../graph/ops/indexing.ts';
import * as movement from '../../graph/ops/movement.ts';
import { reduceMax, reduceMean } from '../../graph/ops/reduction.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { take } from '../../graph/ops/take.ts';
import type { TestTensor } from '../runOnnx.ts';
import { copy, generate, int64, positions, read, stridesOf, type Kernel, type OperatorTests } from './kernel.ts';

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

const concatenated: Kernel = (inputs, attributes, node) => {
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

const cumulated: Kernel = ([x, axis]) => {
  const data = Float64Array.from(x!.data);
  const stride = stridesOf(x!.shape)[axis!.data[0]!]!;
  const extent = x!.shape[axis!.data[0]!]!;
  for (let i = 0; i < data.length; i++) if (Math.floor(i / stride) % extent > 0) data[i]! += data[i - stride]!;
  return [{ shape: x!.shape, data }];
};

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

const scattered: Kernel = ([data, indices, updates], attributes) => {
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

const gatherGradient: Kernel = ([dy, indices], attributes) => {
  const shape = attributes.shape as Shape;
  const width = sizeOf(shape.slice(1));
  const data = new Float64Array(sizeOf(shape));
  Array.from(dy!.data).forEach((d, i) => (data[indices!.data[Math.floor(i / width)]! * width + (i % width)]! += d));
  return [{ shape, data }];
};

const scatteredRows: Kernel = ([data, indices, updates]) => {
  const width = sizeOf(data!.shape.slice(1));
  const result = Float64Array.from(data!.data);
  Array.from(updates!.data).forEach(
    (u, i) => (result[indices!.data[Math.floor(i / width)]! * width + (i % width)]! += u),
  );
  return [{ shape: data!.shape, data: result }];
};

const gatheredElements: Kernel = ([x, indices], attributes) => {
  const axis = attributes.axis as number;
  const [inner, extent] = [sizeOf(x!.shape.slice(axis + 1)), x!.shape[axis]!];
  const taken = indices!.shape[axis]!;
  const data = Array.from(indices!.data, (index, i) => {
    const outer = Math.floor(i / (taken * inner));
    return x!.data[(outer * extent + index) * inner + (i % inner)]!;
  });
  return [{ shape: indices!.shape, data }];
};

export const movementTests = {
  CumSum: {
    kernel: cumulated,
    entries: [0, 1].map((axis) => ({ what: `axis ${axis}`, inputs: [[3, 4]], build: (g, x) => cumSum(g, x, axis) })),
  },
  ReduceSum: {
    kernel: reduction(
      0,
      (sum, x) => sum + x,
      (sum) => sum,
    ),
    entries: [
      { what: 'inner and outer axis', inputs: [[2, 3, 4]], build: (g, x) => reduceSum(g, x, [0, 2], false) },
      { what: 'kept axes', inputs: [[2, 3, 4]], build: (g, x) => reduceSum(g, x, [1], true) },
    ],
  },
  ReduceMean: {
    kernel: reduction(
      0,
      (sum, x) => sum + x,
      (sum, count) => sum / count,
    ),
    entries: [
      { what: 'to a scalar', inputs: [[2, 3]], build: (g, x) => reduceMean(g, x, [0, 1], false) },
      { what: 'images', inputs: [[2, 3, 4, 5]], build: (g, x) => reduceMean(g, x, [2, 3], false) },
    ],
  },
  ReduceMax: {
    kernel: reduction(-Infinity, Math.max, (max) => max),
    entries: [{ what: 'kept axis', inputs: [[2, 5]], build: (g, x) => reduceMax(g, x, [1], true) }],
  },
  Reshape: { kernel: copy, entries: [{ what: 'any', inputs: [[2, 3, 4]], build: (g, x) => reshape(g, x, [6, 4]) }] },
  Transpose: {
    kernel: moved((position, { perm }) => {
      const source: number[] = [];
      (perm as number[]).forEach((axis, i) => (source[axis] = position[i]!));
      return source;
    }),
    entries: [{ what: 'three axes', inputs: [[2, 3, 4]], build: (g, x) => movement.transpose(g, x, [2, 0, 1]) }],
  },
  Expand: {
    kernel: moved((position) => [...position]),
    entries: [
      { what: 'a middle axis', inputs: [[2, 1, 4]], build: (g, x) => expand(g, x, [2, 3, 4]) },
      { what: 'a new axis', inputs: [[4]], build: (g, x) => expand(g, x, [3, 4]) },
    ],
  },
  Pad: {
    kernel: moved((position, { pads }, [x]) => {
      const source = position.map((p, axis) => p - (pads as number[])[axis]!);
      return source.every((p, axis) => p >= 0 && p < x!.shape[axis]!) ? source : null;
    }),
    entries: [{ what: 'uneven', inputs: [[2, 3]], build: (g, x) => movement.pad(g, x, [1, 0, 0, 2]) }],
  },
  Concat: {
    kernel: concatenated,
    entries: [
      {
        what: 'three parts',
        inputs: [
          [2, 1],
          [2, 3],
          [2, 2],
        ],
        build: (g, ...parts) => movement.concat(g, parts, 1),
      },
    ],
  },
  Slice: {
    kernel: moved((position, { axes, starts }) => {
      const source = [...position];
      (axes as number[]).forEach((axis, i) => (source[axis]! += (starts as number[])[i]!));
      return source;
    }),
    entries: [
      { what: 'two axes', inputs: [[4, 5]], build: (g, x) => movement.slice(g, x, [0, 1], [1, 0], [3, 4]) },
      { what: 'picked', inputs: [[2, 4]], build: (g, x) => pick(g, x, [1, 2], 1) },
    ],
  },
  Split: {
    kernel: split,
    entries: [
      {
        what: 'uneven parts',
        inputs: [[2, 6]],
        build(g, x) {
          const [a, b, c] = movement.split(g, x, 1, [2, 3, 1]);
          return mul(g, add(g, a!, c!), movement.slice(g, b!, [1], [1], [3]));
        },
      },
      {
        what: 'a part that nothing reads',
        inputs: [[4, 2]],
        build: (g, x) => movement.split(g, x, 0, [1, 3])[1]!,
      },
    ],
  },
  Gather: {
    kernel: moved((position, attributes, [, indices]) => {
      const axis = attributes.axis as number;
      const rank = indices!.shape.length;
      return [
        ...position.slice(0, axis),
        read(indices!, position.slice(axis, axis + rank)),
        ...position.slice(axis + rank),
      ];
    }),
    entries: [
      { what: 'rows', inputs: [[4, 3]], build: (g, x) => gather(g, x, int64(g, [3, 1, 1]), 0) },
      {
        what: 'repeated rows of a matrix of indices',
        inputs: [[5, 3]],
        build: (g, x) => gather(g, x, int64(g, [3, 1, 1, 4, 3, 3], [2, 3]), 0),
      },
      {
        what: 'columns by a matrix',
        inputs: [[2, 4]],
        refuses: 'along axis 0 only',
        build: (g, x) => gather(g, x, int64(g, [3, 1, 0, 2], [2, 2]), 1),
      },
      { what: 'picked', inputs: [[2, 4]], refuses: 'along axis 0 only', build: (g, x) => pick(g, x, [0, 2, 3], 1) },
      {
        what: 'picked blocks',
        inputs: [[2, 8, 3]],
        refuses: 'along axis 0 only',
        build: (g, x) => pick(g, x, [0, 1, 4, 5, 6, 7], 1),
      },
    ],
  },
  GatherGradient: { kernel: gatherGradient },
  GatherElements: {
    kernel: gatheredElements,
    entries: [
      {
        what: 'columns',
        inputs: [[3, 5]],
        build: (g, x) => gatherElements(g, x, int64(g, [4, 0, 2], [3, 1]), 1),
      },
    ],
  },
  ScatterElements: {
    kernel: scattered,
    entries: [
      {
        what: 'repeated indices',
        inputs: [[5], [4]],
        build: (g, data, updates) => scatterAdd(g, data, int64(g, [1, 3, 1, 0]), updates, 0),
      },
    ],
  },
  ScatterND: {
    kernel: scatteredRows,
    entries: [
      {
        what: 'repeated rows',
        inputs: [
          [4, 3],
          [3, 3],
        ],
        build: (g, data, updates) => scatterRows(g, data, int64(g, [2, 0, 2], [3, 1]), updates),
      },
    ],
  },
  Take: {
    kernel: moved((position, attributes) => {
      const axis = attributes.axis as number;
      const index = (attributes.indices as number[])[position[axis]!]!;
      return index === -1 ? null : position.map((p, i) => (i === axis ? index : p));
    }),
    entries: [
      { what: 'a permutation', inputs: [[2, 4, 3]], build: (g, x) => take(g, x, [2, 0, 3, 1], 1) },
      { what: 'repeated, left out and zero', inputs: [[4, 3]], build: (g, x) => take(g, x, [3, -1, 3, 1], 0) },
      { what: 'the last axis', inputs: [[2, 3]], build: (g, x) => take(g, x, [2, 2, -1, 2, 0], 1) },
    ],
  },
} satisfies OperatorTests;
