// Elementwise operators, and those that keep an order.

import type { GraphBuilder, Value } from '../../graph/graph.ts';
import * as ops from '../../graph/ops/elementwise.ts';
import { quickGelu, sigmoid, swiGlu } from '../../graph/ops/gating.ts';
import { gelu } from '../../graph/ops/gelu.ts';
import { after, moment } from '../../graph/ops/ordering.ts';
import { copy, elementwise, type Entry, type Kernel, type OperatorTests } from './kernel.ts';

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

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

const positive = Math.abs;

function binaryEntries(build: (g: GraphBuilder, a: Value, b: Value) => Value): Entry[] {
  return [
    {
      what: 'equal shapes',
      inputs: [
        [2, 3],
        [2, 3],
      ],
      build,
    },
    {
      what: 'both stretched',
      inputs: [
        [2, 1, 4],
        [3, 1],
      ],
      build,
    },
    { what: 'a scalar', inputs: [[2, 3], []], build },
  ];
}

const unaryEntry = (build: (g: GraphBuilder, x: Value) => Value, domain?: (x: number) => number): Entry[] => [
  { what: 'any', inputs: [[2, 3, 4]], domain, build },
];

const hardSigmoid: Kernel = (inputs, attributes, node) => {
  const { alpha, beta } = attributes as { alpha: number; beta: number };
  return elementwise((a) => Math.min(1, Math.max(0, alpha * a + beta)))(inputs, attributes, node);
};

const cast: Kernel = (inputs, attributes, node) =>
  elementwise((a) => (node.outputs[0]!.dtype.startsWith('int') ? Math.trunc(a) : a))(inputs, attributes, node);

/** Gradients of gate and of up. */
const swiGluGradient: Kernel = (inputs, attributes, node) => {
  const slopes = [
    elementwise((dy, gate, up) => dy * up * logistic(gate) * (1 + gate * (1 - logistic(gate)))),
    elementwise((dy, gate) => dy * gate * logistic(gate)),
  ];
  return slopes.flatMap((slope) => slope(inputs, attributes, node));
};

export const elementwiseTests = {
  Add: { kernel: elementwise((a, b) => a + b), entries: binaryEntries(ops.add) },
  Sub: { kernel: elementwise((a, b) => a - b), entries: binaryEntries(ops.sub) },
  Mul: { kernel: elementwise((a, b) => a * b), entries: binaryEntries(ops.mul) },
  Div: { kernel: elementwise((a, b) => a / b), entries: binaryEntries(ops.div) },
  Neg: { kernel: elementwise((a) => -a), entries: unaryEntry(ops.neg) },
  Exp: { kernel: elementwise((a) => Math.exp(a)), entries: unaryEntry(ops.exp) },
  Log: { kernel: elementwise((a) => Math.log(a)), entries: unaryEntry(ops.log, positive) },
  Sqrt: { kernel: elementwise((a) => Math.sqrt(a)), entries: unaryEntry(ops.sqrt, positive) },
  Erf: { kernel: elementwise((a) => erf(a)), entries: unaryEntry(ops.erf) },
  Relu: { kernel: elementwise((a) => Math.max(a, 0)), entries: unaryEntry(ops.relu) },
  ReluGradient: { kernel: elementwise((dy, y) => (y > 0 ? dy : 0)) },
  Identity: { kernel: copy, entries: unaryEntry(ops.identity) },
  HardSigmoid: { kernel: hardSigmoid, entries: unaryEntry((g, x) => ops.hardSigmoid(g, x, 0.5, 0.25)) },
  Greater: {
    kernel: elementwise((a, b) => Number(a > b)),
    entries: [
      {
        what: 'as numbers',
        inputs: [[2, 3], [3]],
        build: (g, a, b) => ops.cast(g, ops.greater(g, a, b), 'float32'),
      },
    ],
  },
  Equal: {
    kernel: elementwise((a, b) => Number(a === b)),
    entries: [
      {
        what: 'on integers',
        inputs: [[4]],
        build: (g, a) => ops.cast(g, ops.equal(g, ops.cast(g, a, 'int64'), g.scalar(0, 'int64')), 'float32'),
      },
    ],
  },
  Cast: { kernel: cast },
  Where: {
    kernel: elementwise((condition, a, b) => (condition ? a : b)),
    entries: [
      {
        what: 'stretched operands',
        inputs: [[2, 3], [3], [2, 1]],
        build: (g, c, a, b) => ops.where(g, ops.greater(g, c, g.scalar(0)), a, b),
      },
    ],
  },
  StopGradient: {
    kernel: copy,
    entries: [
      {
        what: 'one of two paths',
        inputs: [[3], [3]],
        build: (g, a, b) => ops.mul(g, a, ops.stopGradient(g, ops.exp(g, b))),
      },
    ],
  },
  Size: {
    kernel: ([x]) => [{ shape: [], data: [x!.data.length] }],
    entries: [
      {
        what: 'in a value that waits for two others',
        inputs: [[2, 3], [4], []],
        build: (g, x, a, b) => after(g, x, moment(g, [a, b])),
      },
    ],
  },
  ReshapeToSame: { kernel: copy },
  Gelu: {
    kernel: elementwise((a) => a * normalDistribution(a)),
    entries: [
      ...unaryEntry(gelu),
      { what: 'far from zero', inputs: [[40]], domain: (x) => 4 * x, build: (g, x) => gelu(g, x) },
    ],
  },
  GeluGradient: { kernel: elementwise((dy, a) => dy * (normalDistribution(a) + a * normalDensity(a))) },
  Sigmoid: { kernel: elementwise(logistic), entries: unaryEntry(sigmoid) },
  QuickGelu: {
    kernel: (inputs, attributes, node) =>
      elementwise((a) => a * logistic((attributes.alpha as number) * a))(inputs, attributes, node),
    entries: [{ what: 'two slopes', inputs: [[3, 5]], build: (g, x) => quickGelu(g, x, 1.5) }],
  },
  SwiGlu: {
    kernel: elementwise((gate, up) => gate * logistic(gate) * up),
    entries: [
      {
        what: 'any',
        inputs: [
          [3, 5],
          [3, 5],
        ],
        build: (g, gate, up) => swiGlu(g, gate, up),
      },
    ],
  },
  SwiGluGradient: { kernel: swiGluGradient },
} satisfies OperatorTests;
