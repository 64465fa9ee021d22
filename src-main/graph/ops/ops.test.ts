// Every operator: its shape rule and forward pass in ONNX Runtime against the float64 interpreter, its lowering for each provider, and
// its gradient against finite differences. An operator without an entry here fails the last tests.

import { describe, expect, it } from 'vitest';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret, kernels } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { runOnnx, type TestTensor } from '../../testing/runOnnx.ts';
import { differentiate } from '../autodiff.ts';
import { GraphBuilder, type Graph, type Shape, type Value } from '../graph.ts';
import { lower } from '../lower/lower.ts';
import type { ExecutionProvider } from '../lower/lowering.ts';
import { verify } from '../verify.ts';
import * as conv from './conv.ts';
import * as elementwise from './elementwise.ts';
import { allOps } from './index.ts';
import { causalAttention } from './attention.ts';
import { quickGelu, sigmoid, swiGlu } from './gating.ts';
import { gelu } from './gelu.ts';
import { gather, gatherElements, pick, scatterAdd, scatterRows } from './indexing.ts';
import { layerNorm, LayerNormalizationGradient } from './layerNorm.ts';
import { gemm, matMul } from './linalg.ts';
import * as broadcast from './broadcast.ts';
import * as movement from './movement.ts';
import { BatchNormalizationGradient, batchNormInference, batchNormTraining } from './norm.ts';
import { after, moment } from './ordering.ts';
import { maxPool } from './pool.ts';
import { reshape } from './reshape.ts';
import * as reduction from './reduction.ts';
import { rmsNorm, SimplifiedLayerNormalization } from './rmsNorm.ts';
import { rotary, RotaryEmbedding } from './rotary.ts';
import { logSoftmax, softmax } from './softmax.ts';
import { take } from './take.ts';
import { linearCrossEntropy } from './tokenLoss.ts';

interface Entry {
  /** Operators that the entry tests. */
  ops: string[];
  what: string;
  /** Shapes of random float32 inputs. */
  inputs: Shape[];
  build(g: GraphBuilder, ...inputs: Value[]): Value;
  /** The gradient is one of several, so finite differences do not apply. */
  ambiguous?: boolean;
  /** Applied to the numbers of all inputs. */
  domain?: (x: number) => number;
}

const positive = Math.abs;
const square = (stride: number, padding: number) => ({
  strides: [stride, stride],
  pads: [padding, padding, padding, padding],
});
const uneven = { strides: [2, 1], pads: [1, 0, 0, 2] };
const int64 = (g: GraphBuilder, data: number[], shape: number[] = [data.length]) => g.constant('int64', shape, data);

function binaryEntries(op: string, build: (g: GraphBuilder, a: Value, b: Value) => Value): Entry[] {
  return [
    {
      ops: [op],
      what: 'equal shapes',
      inputs: [
        [2, 3],
        [2, 3],
      ],
      build,
    },
    {
      ops: [op],
      what: 'both stretched',
      inputs: [
        [2, 1, 4],
        [3, 1],
      ],
      build,
    },
    { ops: [op], what: 'a scalar', inputs: [[2, 3], []], build },
  ];
}

function convolutionEntries(): Entry[] {
  const cases: [string, Shape, Shape, { strides: number[]; pads: number[] }][] = [
    ['3x3 of stride 1', [2, 3, 5, 6], [4, 3, 3, 3], square(1, 1)],
    ['3x3 of stride 1 at an image too large for patches', [2, 2, 9, 9], [3, 2, 3, 3], square(1, 1)],
    ['3x3 of stride 2', [2, 3, 6, 8], [4, 3, 3, 3], square(2, 1)],
    ['3x3 of stride 2 at odd extents, odd batch', [3, 2, 7, 5], [4, 2, 3, 3], square(2, 1)],
    ['3x3 of stride 2 at a large image', [2, 2, 18, 17], [3, 2, 3, 3], square(2, 1)],
    ['7x7 of stride 2', [2, 3, 20, 19], [4, 3, 7, 7], square(2, 3)],
    ['1x1 of stride 2', [2, 3, 6, 6], [5, 3, 1, 1], square(2, 0)],
    ['1x1 of stride 2 at a large image', [2, 2, 18, 18], [3, 2, 1, 1], square(2, 0)],
    ['1x1 of stride 1', [2, 3, 4, 4], [5, 3, 1, 1], square(1, 0)],
    ['4x4 of stride 4', [2, 3, 12, 12], [5, 3, 4, 4], square(4, 0)],
    ['a kernel, strides and pads that differ by axis', [2, 2, 7, 5], [3, 2, 3, 2], uneven],
  ];
  return cases.map(([what, x, w, attributes]) => ({
    ops: ['Conv', 'ConvInputGradient', 'ConvWeightGradient', 'ConvTranspose'],
    what,
    inputs: [x, w],
    build: (g, a, b) => conv.conv(g, a, b, attributes),
  }));
}

const baseEntries: Entry[] = [
  ...binaryEntries('Add', elementwise.add),
  ...binaryEntries('Sub', elementwise.sub),
  ...binaryEntries('Mul', elementwise.mul),
  ...binaryEntries('Div', elementwise.div),
  { ops: ['Neg'], what: 'any', inputs: [[2, 3]], build: (g, x) => elementwise.neg(g, x) },
  { ops: ['Exp'], what: 'any', inputs: [[2, 3]], build: (g, x) => elementwise.exp(g, x) },
  { ops: ['Log'], what: 'positive', inputs: [[2, 3]], domain: positive, build: (g, x) => elementwise.log(g, x) },
  { ops: ['Sqrt'], what: 'positive', inputs: [[2, 3]], domain: positive, build: (g, x) => elementwise.sqrt(g, x) },
  { ops: ['Relu', 'ReluGradient'], what: 'any', inputs: [[2, 3, 4]], build: (g, x) => elementwise.relu(g, x) },
  {
    ops: ['Size'],
    what: 'in a value that waits for two others',
    inputs: [[2, 3], [4], []],
    build: (g, x, a, b) => after(g, x, moment(g, [a, b])),
  },
  { ops: ['Identity'], what: 'any', inputs: [[2, 3]], build: (g, x) => elementwise.identity(g, x) },
  {
    ops: ['HardSigmoid'],
    what: 'any',
    inputs: [[2, 3]],
    build: (g, x) => elementwise.hardSigmoid(g, x, 0.5, 0.25),
  },
  {
    ops: ['Greater', 'Cast'],
    what: 'as numbers',
    inputs: [[2, 3], [3]],
    build: (g, a, b) => elementwise.cast(g, elementwise.greater(g, a, b), 'float32'),
  },
  {
    ops: ['Equal', 'Cast'],
    what: 'on integers',
    inputs: [[4]],
    build: (g, a) =>
      elementwise.cast(g, elementwise.equal(g, elementwise.cast(g, a, 'int64'), g.scalar(0, 'int64')), 'float32'),
  },
  {
    ops: ['Where'],
    what: 'stretched operands',
    inputs: [[2, 3], [3], [2, 1]],
    build: (g, c, a, b) => elementwise.where(g, elementwise.greater(g, c, g.scalar(0)), a, b),
  },
  {
    ops: ['StopGradient'],
    what: 'one of two paths',
    inputs: [[3], [3]],
    build: (g, a, b) => elementwise.mul(g, a, elementwise.stopGradient(g, elementwise.exp(g, b))),
  },
  {
    ops: ['ReduceSum'],
    what: 'inner and outer axis',
    inputs: [[2, 3, 4]],
    build: (g, x) => broadcast.reduceSum(g, x, [0, 2], false),
  },
  {
    ops: ['ReduceSum'],
    what: 'kept axes',
    inputs: [[2, 3, 4]],
    build: (g, x) => broadcast.reduceSum(g, x, [1], true),
  },
  {
    ops: ['ReduceMean'],
    what: 'to a scalar',
    inputs: [[2, 3]],
    build: (g, x) => reduction.reduceMean(g, x, [0, 1], false),
  },
  {
    ops: ['ReduceMean'],
    what: 'images',
    inputs: [[2, 3, 4, 5]],
    build: (g, x) => reduction.reduceMean(g, x, [2, 3], false),
  },
  { ops: ['ReduceMax'], what: 'kept axis', inputs: [[2, 5]], build: (g, x) => reduction.reduceMax(g, x, [1], true) },
  { ops: ['Reshape'], what: 'any', inputs: [[2, 3, 4]], build: (g, x) => reshape(g, x, [6, 4]) },
  {
    ops: ['Transpose'],
    what: 'three axes',
    inputs: [[2, 3, 4]],
    build: (g, x) => movement.transpose(g, x, [2, 0, 1]),
  },
  { ops: ['Expand'], what: 'a middle axis', inputs: [[2, 1, 4]], build: (g, x) => broadcast.expand(g, x, [2, 3, 4]) },
  { ops: ['Expand'], what: 'a new axis', inputs: [[4]], build: (g, x) => broadcast.expand(g, x, [3, 4]) },
  { ops: ['Pad', 'Slice'], what: 'uneven', inputs: [[2, 3]], build: (g, x) => movement.pad(g, x, [1, 0, 0, 2]) },
  {
    ops: ['Slice', 'Pad'],
    what: 'two axes',
    inputs: [[4, 5]],
    build: (g, x) => movement.slice(g, x, [0, 1], [1, 0], [3, 4]),
  },
  {
    ops: ['Concat', 'Slice'],
    what: 'three parts',
    inputs: [
      [2, 1],
      [2, 3],
      [2, 2],
    ],
    build: (g, ...parts) => movement.concat(g, parts, 1),
  },
  {
    ops: ['Gather', 'GatherGradient'],
    what: 'rows',
    inputs: [[4, 3]],
    build: (g, x) => gather(g, x, int64(g, [3, 1, 1]), 0),
  },
  {
    ops: ['Gather'],
    what: 'columns by a matrix',
    inputs: [[2, 4]],
    build: (g, x) => gather(g, x, int64(g, [3, 1, 0, 2], [2, 2]), 1),
  },
  { ops: ['Gather'], what: 'picked', inputs: [[2, 4]], build: (g, x) => pick(g, x, [0, 2, 3], 1) },
  {
    ops: ['Gather'],
    what: 'picked blocks',
    inputs: [[2, 8, 3]],
    build: (g, x) => pick(g, x, [0, 1, 4, 5, 6, 7], 1),
  },
  { ops: ['Slice'], what: 'picked', inputs: [[2, 4]], build: (g, x) => pick(g, x, [1, 2], 1) },
  {
    ops: ['ScatterElements'],
    what: 'repeated indices',
    inputs: [[5], [4]],
    build: (g, data, updates) => scatterAdd(g, data, int64(g, [1, 3, 1, 0]), updates, 0),
  },
  {
    ops: ['MatMul'],
    what: 'matrices',
    inputs: [
      [2, 3],
      [3, 4],
    ],
    build: (g, a, b) => matMul(g, a, b),
  },
  {
    ops: ['MatMul'],
    what: 'batches stretched',
    inputs: [
      [5, 1, 2, 3],
      [4, 3, 2],
    ],
    build: (g, a, b) => matMul(g, a, b),
  },
  ...[0, 1, 2, 3].map((flags): Entry => ({
    ops: ['Gemm'],
    what: `transposition ${flags}`,
    inputs: [flags & 1 ? [3, 2] : [2, 3], flags & 2 ? [4, 3] : [3, 4], [4]],
    build: (g, a, b, c) => gemm(g, a, b, { transA: flags & 1, transB: flags >> 1 }, c),
  })),
  ...convolutionEntries(),
  {
    ops: ['ConvTranspose'],
    what: 'with padding of the output',
    inputs: [
      [2, 3, 3, 4],
      [3, 2, 3, 3],
    ],
    build: (g, x, w) => conv.convTranspose(g, x, w, { ...square(2, 1), output_padding: [1, 0] }),
  },
  {
    ops: ['MaxPool', 'MaxPoolGradient', 'ScatterElements'],
    what: 'overlapping windows with padding',
    inputs: [[2, 3, 7, 6]],
    build: (g, x) => maxPool(g, x, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  },
  {
    ops: ['BatchNormalization', 'BatchNormalizationGradient'],
    what: 'of the batch',
    inputs: [[3, 2, 4, 5], [2], [2]],
    build: (g, x, scale, bias) => batchNormTraining(g, x, scale, bias, 1e-5).y,
  },
  {
    ops: ['BatchNormalization'],
    what: 'statistics',
    inputs: [[3, 2, 4, 5], [2], [2]],
    build(g, x, scale, bias) {
      const { mean, variance } = batchNormTraining(g, x, scale, bias, 1e-5);
      return movement.concat(g, [elementwise.stopGradient(g, mean), elementwise.stopGradient(g, variance), scale], 0);
    },
  },
  {
    ops: ['BatchNormalization'],
    what: 'with given statistics',
    inputs: [[3, 2, 4], [2], [2], [2]],
    build: (g, x, scale, mean, root) =>
      batchNormInference(g, x, scale, mean, mean, elementwise.mul(g, root, root), 1e-3),
  },
  {
    ops: ['MaxPool', 'MaxPoolGradient'],
    what: 'equal maxima',
    ambiguous: true,
    inputs: [[1, 2, 6, 6]],
    domain: (x) => Math.sign(x),
    build: (g, x) => maxPool(g, x, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  },
  {
    ops: ['MaxPool', 'MaxPoolGradient'],
    what: 'a last row in no window',
    inputs: [[2, 1, 5, 7]],
    build: (g, x) => maxPool(g, x, { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }),
  },
  {
    ops: ['BatchNormalizationGradient'],
    what: 'all outputs',
    inputs: [[3, 2, 4], [3, 2, 4], [2], [2], [2]],
    build(g, dy, x, scale, mean, root) {
      const operands = [dy, x, scale, mean, elementwise.mul(g, root, root)];
      const [dx, dscale, dbias] = g.add(BatchNormalizationGradient, operands, { epsilon: 1e-5 });
      return elementwise.mul(g, dx!, reshape(g, elementwise.add(g, dscale!, dbias!), [2, 1]));
    },
  },
  { ops: ['Erf'], what: 'any', inputs: [[3, 4]], build: (g, x) => elementwise.erf(g, x) },
  { ops: ['Gelu', 'GeluGradient'], what: 'any', inputs: [[2, 3, 4]], build: (g, x) => gelu(g, x) },
  {
    ops: ['Gelu', 'GeluGradient'],
    what: 'far from zero',
    inputs: [[40]],
    domain: (x) => 4 * x,
    build: (g, x) => gelu(g, x),
  },
  {
    ops: ['LayerNormalization', 'LayerNormalizationGradient'],
    what: 'rows of three axes',
    inputs: [[2, 3, 5], [5], [5]],
    build: (g, x, scale, bias) => layerNorm(g, x, scale, bias, 1e-5),
  },
  {
    ops: ['LayerNormalizationGradient'],
    what: 'all outputs',
    inputs: [[4, 3], [4, 3], [3], [4, 1], [4, 1]],
    build(g, dy, x, scale, mean, inverse) {
      const [dx, dscale, dbias] = g.add(LayerNormalizationGradient, [dy, x, scale, mean, inverse], {});
      return elementwise.mul(g, dx!, elementwise.add(g, dscale!, dbias!));
    },
  },
  { ops: ['Take'], what: 'a permutation', inputs: [[2, 4, 3]], build: (g, x) => take(g, x, [2, 0, 3, 1], 1) },
  {
    ops: ['Take'],
    what: 'repeated, left out and zero',
    inputs: [[4, 3]],
    build: (g, x) => take(g, x, [3, -1, 3, 1], 0),
  },
  { ops: ['Take'], what: 'the last axis', inputs: [[2, 3]], build: (g, x) => take(g, x, [2, 2, -1, 2, 0], 1) },
  {
    ops: ['Split', 'Concat'],
    what: 'uneven parts',
    inputs: [[2, 6]],
    build(g, x) {
      const [a, b, c] = movement.split(g, x, 1, [2, 3, 1]);
      return elementwise.mul(g, elementwise.add(g, a!, c!), movement.slice(g, b!, [1], [1], [3]));
    },
  },
  {
    ops: ['Split', 'Concat'],
    what: 'a part that nothing reads',
    inputs: [[4, 2]],
    build: (g, x) => movement.split(g, x, 0, [1, 3])[1]!,
  },
];

const transformerEntries: Entry[] = [
  { ops: ['Softmax'], what: 'last axis', inputs: [[2, 3, 5]], build: (g, x) => softmax(g, x) },
  { ops: ['LogSoftmax'], what: 'last axis', inputs: [[3, 5]], build: (g, x) => logSoftmax(g, x) },
  {
    ops: ['RmsNorm', 'RmsNormGradient', 'SimplifiedLayerNormalization'],
    what: 'three axes',
    inputs: [[2, 3, 8], [8]],
    build: (g, x, w) => rmsNorm(g, x, w, 1e-3),
  },
  {
    ops: ['RmsNorm', 'RmsNormGradient'],
    what: 'a large epsilon, odd width',
    inputs: [[4, 5], [5]],
    build: (g, x, w) => rmsNorm(g, x, w, 0.5),
  },
  {
    ops: ['SimplifiedLayerNormalization'],
    what: 'both outputs',
    inputs: [[3, 8], [8]],
    build(g, x, w) {
      const [y, r] = g.add(SimplifiedLayerNormalization, [x, w], { epsilon: 1e-3, axis: -1 });
      return elementwise.mul(g, y!, r!);
    },
  },
  {
    ops: ['SwiGlu', 'SwiGluGradient', 'QuickGelu'],
    what: 'any',
    inputs: [
      [3, 5],
      [3, 5],
    ],
    build: (g, gate, up) => swiGlu(g, gate, up),
  },
  { ops: ['Sigmoid'], what: 'any', inputs: [[3, 5]], build: (g, x) => sigmoid(g, x) },
  { ops: ['QuickGelu'], what: 'two slopes', inputs: [[3, 5]], build: (g, x) => quickGelu(g, x, 1.5) },
  ...[
    [2, 3, 4, 8],
    [2, 2, 3, 4, 6],
    [4, 2],
  ].map((shape): Entry => ({
    ops: ['Rotary', 'RotaryEmbedding'],
    what: `heads of ${shape.join(' x ')}`,
    inputs: [shape],
    build: (g, x) => rotary(g, x, ...angles(g, shape.at(-2)!, shape.at(-1)!)),
  })),
  {
    ops: ['RotaryEmbedding'],
    what: 'heads',
    inputs: [[2, 3, 4, 8]],
    build: (g, x) => g.add(RotaryEmbedding, [x, int64(g, [0]), ...angles(g, 4, 8)], { interleaved: 0 })[0]!,
  },
  ...[
    [1, 1],
    [2, 1],
    [2, 2],
    [3, 3],
    [1, 5],
  ].map(([group, chunks]): Entry => ({
    ops: ['CausalAttention', 'CausalAttentionGradient'],
    what: `groups of ${group} in ${chunks} chunks`,
    inputs: [
      [2, 2, group!, 5, 4],
      [2, 2, 5, 4],
      [2, 2, 5, 4],
    ],
    build: (g, q, k, v) => causalAttention(g, q, k, v, chunks!),
  })),
  {
    ops: ['LinearCrossEntropy', 'LinearCrossEntropyGradient'],
    what: 'repeated labels',
    inputs: [
      [4, 3],
      [5, 3],
    ],
    build: (g, h, w) => linearCrossEntropy(g, h, w, int64(g, [1, 4, 1, 0])),
  },
  {
    ops: ['Gather', 'GatherGradient', 'ScatterND'],
    what: 'repeated rows of a matrix of indices',
    inputs: [[5, 3]],
    build: (g, x) => gather(g, x, int64(g, [3, 1, 1, 4, 3, 3], [2, 3]), 0),
  },
  {
    ops: ['GatherElements'],
    what: 'columns',
    inputs: [[3, 5]],
    build: (g, x) => gatherElements(g, x, int64(g, [4, 0, 2], [3, 1]), 1),
  },
  {
    ops: ['ScatterND'],
    what: 'repeated rows',
    inputs: [
      [4, 3],
      [3, 3],
    ],
    build: (g, data, updates) => scatterRows(g, data, int64(g, [2, 0, 2], [3, 1]), updates),
  },
];

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

const entries = [...baseEntries, ...transformerEntries];

interface Built {
  graph: Graph;
  feeds: Map<string, TestTensor>;
}

/** Random input values, seeded by the entry. */
function feedsOf(entry: Entry): Map<string, TestTensor> {
  const random = randomSource([...entry.what].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 100003);
  return new Map(
    entry.inputs.map((shape, i) => {
      const { data } = randomTensor(random, shape);
      return [`x${i}`, { shape, data: Array.from(data, entry.domain ?? ((x) => x)) }];
    }),
  );
}

function buildForward(entry: Entry): Built {
  const g = new GraphBuilder('test');
  const inputs = entry.inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  g.output('y', entry.build(g, ...inputs));
  return { graph: verify(g.build()), feeds: feedsOf(entry) };
}

/** The loss is the sum of the outputs, each times a fixed number; gradients of all inputs are outputs. */
function buildBackward(entry: Entry): Built {
  const g = new GraphBuilder('test');
  const inputs = entry.inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const y = entry.build(g, ...inputs);
  const weights = randomTensor(randomSource(11), y.shape);
  const weighted = elementwise.mul(g, y, g.constant('float32', y.shape, Array.from(weights.data)));
  const axes = y.shape.map((_, axis) => axis);
  const loss = reshape(g, broadcast.reduceSum(g, weighted, axes, false), []);
  const reached = inputs.filter((input) => dependsSmoothly(g, y, input));
  differentiate(g, loss, reached).forEach((gradient, i) => g.output(`grad/${reached[i]!.name}`, gradient));
  g.output('loss', loss);
  return { graph: verify(g.build()), feeds: feedsOf(entry) };
}

/** Whether differentiation reaches the input from y: not through comparisons or StopGradient. */
function dependsSmoothly(g: GraphBuilder, y: Value, input: Value): boolean {
  if (y === input) return true;
  const node = g.producer(y);
  if (!node || ['StopGradient', 'Greater'].includes(node.op.type)) return false;
  return node.inputs.some((operand) => dependsSmoothly(g, operand, input));
}

const providers: ExecutionProvider[] = ['cpu', 'webgpu', 'cuda'];
/** Entries of an operator with a gradient rule that does not hold for them. */
const withoutGradient = new Set(['with given statistics', 'columns by a matrix', 'picked', 'picked blocks']);

describe.each(entries.map((entry) => [entry.ops[0]!, entry.what, entry] as const))('%s, %s', (type, _, entry) => {
  it.each(providers)('gives what the interpreter gives when lowered for %s', async (provider) => {
    const { graph, feeds } = buildForward(entry);
    const expected = interpret(graph, feeds).get('y')!;
    const actual = (await runOnnx(verify(lower(graph, provider)), feeds)).get('y')!;
    expect(actual.shape).toEqual(expected.shape);
    expect(relativeError(actual.data, expected.data)).toBeLessThan(1e-5);
  });

  const op = allOps.find((candidate) => candidate.type === type)!;
  const hasGradient = op.gradient !== undefined && !withoutGradient.has(entry.what);
  it.runIf(hasGradient)('has the gradient that finite differences measure, also when lowered', async () => {
    const { graph, feeds } = buildBackward(entry);
    if (!entry.ambiguous) expect(slopeError(graph, feeds, randomSource(5))).toBeLessThan(1e-6);
    const expected = interpret(graph, feeds);
    for (const provider of providers) {
      const actual = await runOnnx(verify(lower(graph, provider)), feeds);
      for (const [name, value] of actual) {
        expect(relativeError(value.data, expected.get(name)!.data), `${name} on ${provider}`).toBeLessThan(2e-5);
      }
    }
  });
});

describe('the set of operators', () => {
  it('has a gradient rule or a reason for each', () => {
    const without = allOps.filter((op) => (op.gradient === undefined) === (op.notDifferentiable === undefined));
    expect(without.map((op) => op.type)).toEqual([]);
  });

  it('has a test entry and a kernel in the interpreter for each', () => {
    const tested = new Set(entries.flatMap((entry) => entry.ops));
    expect(allOps.map((op) => op.type).filter((type) => !tested.has(type))).toEqual([]);
    expect(allOps.map((op) => op.type).filter((type) => !(type in kernels))).toEqual([]);
  });

  it('names each operator once', () => {
    expect(new Set(allOps.map((op) => op.type)).size).toBe(allOps.length);
  });
});

describe('operands that do not fit', () => {
  const g = new GraphBuilder('test');
  const [a, b] = [g.input('a', 'float32', [2, 3]), g.input('b', 'float32', [4, 5])];
  const indices = g.input('i', 'int64', [2]);

  it.each<[string, () => Value]>([
    ['Add: shapes do not broadcast', () => elementwise.add(g, a, b)],
    ['Add: takes two operands of one dtype', () => elementwise.add(g, a, indices)],
    ['Where: takes bool', () => elementwise.where(g, a, a, a)],
    ['ReduceSum: bad axes', () => broadcast.reduceSum(g, a, [2], false)],
    ['Reshape: sizes differ', () => reshape(g, a, [5])],
    ['Transpose: perm is not a permutation', () => movement.transpose(g, a, [1, 1])],
    ['Expand: does not stretch', () => broadcast.expand(g, a, [2, 4])],
    ['Pad: takes two non-negative pads', () => movement.pad(g, a, [0, 1])],
    ['Concat: operands differ', () => movement.concat(g, [a, b], 0)],
    ['Slice: range outside', () => movement.slice(g, a, [1], [1], [4])],
    ['Gather: bad indices', () => gather(g, a, b, 0)],
    ['GatherElements: indices do not fit', () => gatherElements(g, a, indices, 0)],
    ['ScatterND: indices and updates do not fit', () => scatterRows(g, a, indices, a)],
    ['Softmax: takes one operand with axes', () => softmax(g, g.scalar(1))],
    ['RmsNorm: takes a weight per entry', () => rmsNorm(g, a, b, 1)],
    ['SwiGlu: takes operands of one shape', () => swiGlu(g, a, b)],
    ['Rotary: cosines or sines do not fit', () => rotary(g, a, b, b)],
    ['CausalAttention: queries, keys and values do not fit', () => causalAttention(g, a, a, a, 1)],
    ['LinearCrossEntropy: rows, weight or labels do not fit', () => linearCrossEntropy(g, a, b, indices)],
    ['ScatterElements: indices and updates differ', () => scatterAdd(g, a, indices, b, 0)],
    ['Take: bad indices', () => take(g, a, [3], 1)],
    ['Split: parts do not add up', () => movement.split(g, a, 1, [1, 1])[0]!],
    ['LayerNormalization: takes one entry', () => layerNorm(g, a, a, a, 1e-5)],
    ['MatMul: inner extents differ', () => matMul(g, a, b)],
    ['Gemm: inner extents differ', () => gemm(g, a, b, { transA: 0, transB: 1 })],
    ['Conv: weight or attributes do not fit', () => conv.conv(g, a, b, square(1, 1))],
    [
      'MaxPool: kernel does not fit',
      () => maxPool(g, a, { kernel_shape: [3, 3], strides: [1, 1], pads: [0, 0, 0, 0] }),
    ],
    [
      'BatchNormalization: takes one entry per channel',
      () => batchNormTraining(g, a, g.scalar(1), g.scalar(0), 1e-5).y,
    ],
  ])('fail with: %s', (message, build) => {
    expect(build).toThrow(message);
  });
});
