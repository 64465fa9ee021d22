// Every operator: its shape rule and forward pass in ONNX Runtime against the float64 interpreter, its lowering for each provider, and
// its gradient against finite differences, on the entries of testing/operators. Which operators there must be, the graphs of the families say.

import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ModelSpec } from '../../families/configs.ts';
import { createModel } from '../../families/models.ts';
import { presetSpecs } from '../../families/testSpecs.ts';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret } from '../../testing/interpreter.ts';
import { square } from '../../testing/operators/convolution.ts';
import { operatorTests } from '../../testing/operators/index.ts';
import type { Entry } from '../../testing/operators/kernel.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { runOnnx, type TestTensor } from '../../testing/runOnnx.ts';
import type { ModelDefinition } from '../../models/model.ts';
import { differentiate } from '../autodiff.ts';
import {
  GraphBuilder,
  type ExecutionProvider,
  type GradientContext,
  type Graph,
  type Op,
  type Value,
} from '../graph.ts';
import { lower } from '../lower/lower.ts';
import { ownOutputs } from '../passes/ownOutputs.ts';
import { publishGradients } from '../passes/publish.ts';
import { verify } from '../verify.ts';
import { causalAttention } from './attention.ts';
import * as broadcast from './broadcast.ts';
import { conv } from './conv.ts';
import * as elementwise from './elementwise.ts';
import { swiGlu } from './gating.ts';
import { customOperators, operators } from './index.ts';
import { gather, gatherElements, scatterAdd, scatterRows } from './indexing.ts';
import { layerNorm } from './layerNorm.ts';
import { gemm, matMul } from './linalg.ts';
import * as movement from './movement.ts';
import { batchNormTraining } from './norm.ts';
import { maxPool } from './pool.ts';
import { reshape } from './reshape.ts';
import { rmsNorm } from './rmsNorm.ts';
import { rotary } from './rotary.ts';
import { softmax } from './softmax.ts';
import { take } from './take.ts';
import { linearCrossEntropy } from './tokenLoss.ts';

const ops = operators as unknown as Readonly<Record<string, Op>>;
const nameOf = new Map(Object.entries<Op>({ ...ops, ...customOperators }).map(([name, op]) => [op, name]));
const namesOf = (found: readonly Op[]) => found.map((op) => nameOf.get(op) ?? op.type);
const entries = Object.entries(operatorTests).flatMap(([name, test]) =>
  (test.entries ?? []).map((entry) => [name, entry.what, entry] as const),
);

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

/** Scope of the loss over an entry, which is not what the entry tests. */
const scaffold = 'scaffold';

function start(entry: Entry): { g: GraphBuilder; inputs: Value[]; y: Value } {
  const g = new GraphBuilder('test');
  const inputs = entry.inputs.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const y = entry.build(g, ...inputs);
  g.scope = scaffold;
  return { g, inputs, y };
}

function buildForward(entry: Entry): Graph {
  const { g, y } = start(entry);
  g.output('y', y);
  return verify(g.build());
}

/** The loss is the sum of the outputs, each times a fixed number; gradients of all inputs are outputs. */
function buildBackward(entry: Entry): Graph {
  const { g, inputs, y } = start(entry);
  const weights = randomTensor(randomSource(11), y.shape);
  const weighted = elementwise.mul(g, y, g.constant('float32', y.shape, Array.from(weights.data)));
  const axes = y.shape.map((_, axis) => axis);
  const loss = reshape(g, broadcast.reduceSum(g, weighted, axes, false), []);
  const reached = inputs.filter((input) => pathBetween(g, y, input) !== null);
  differentiate(g, loss, reached).forEach((gradient, i) => g.output(`grad/${reached[i]!.name}`, gradient));
  g.output('loss', loss);
  return verify(g.build());
}

/** Operators between an input and y through which differentiation goes: not integers, and not StopGradient. Null: there is no path. */
function pathBetween(g: GraphBuilder, y: Value, input: Value): Set<Op> | null {
  if (y === input) return new Set();
  const node = g.producer(y);
  if (!node || node.op === elementwise.StopGradient || y.dtype !== 'float32') return null;
  const paths = node.inputs.flatMap((operand) => pathBetween(g, operand, input) ?? []);
  return paths.length > 0 ? new Set([node.op, ...paths.flatMap((path) => [...path])]) : null;
}

/** Operators in the way of an entry's gradient that have none. */
function withoutGradient(entry: Entry): Op[] {
  const { g, inputs, y } = start(entry);
  const onPaths = new Set(inputs.flatMap((input) => [...(pathBetween(g, y, input) ?? [])]));
  return [...onPaths].filter((op) => !op.gradient);
}

const providers: ExecutionProvider[] = ['cpu', 'webgpu', 'cuda'];

describe.each(entries)('%s, %s', (_, __, entry) => {
  const feeds = feedsOf(entry);

  it.each(providers)('gives what the interpreter gives when lowered for %s', async (provider) => {
    const graph = buildForward(entry);
    const expected = interpret(graph, feeds).get('y')!;
    const actual = (await runOnnx(verify(lower(graph, provider)), feeds)).get('y')!;
    expect(actual.shape).toEqual(expected.shape);
    expect(relativeError(actual.data, expected.data)).toBeLessThan(1e-5);
  });

  const missing = withoutGradient(entry);
  if (missing.length > 0 || entry.refuses) {
    it('says why it has no gradient', () => {
      const reasons = entry.refuses ? [entry.refuses] : missing.map((op) => op.notDifferentiable!);
      const isReason = (message: string) => reasons.some((reason) => message.includes(reason));
      expect(() => buildBackward(entry)).toThrow(expect.toSatisfy((error: Error) => isReason(error.message)));
    });
  } else {
    it('has the gradient that finite differences measure, also when lowered', async () => {
      const graph = buildBackward(entry);
      if (!entry.ambiguous) expect(slopeError(graph, feeds, randomSource(5))).toBeLessThan(1e-6);
      const expected = interpret(graph, feeds);
      for (const provider of providers) {
        const actual = await runOnnx(verify(lower(graph, provider)), feeds);
        for (const [name, value] of actual) {
          expect(relativeError(value.data, expected.get(name)!.data), `${name} on ${provider}`).toBeLessThan(2e-5);
        }
      }
    });
  }
});

/** What one call of a gradient rule read of the node that it differentiates. */
interface GradientCall {
  op: Op;
  /** Places of what it read and may read. */
  inputs: number[];
  outputs: number[];
  numOutputs: number;
  /** What it read though the operator does not say that it saves it. */
  undeclared: string[];
}

/** Operators of the graphs that `build` gives, with the composites that were lowered on the way, and all calls of gradient rules. */
function watch(build: () => Graph[]): { found: Set<Op>; calls: GradientCall[] } {
  const found = new Set<Op>();
  const calls: GradientCall[] = [];
  const { keep } = GraphBuilder.prototype;
  vi.spyOn(GraphBuilder.prototype, 'keep').mockImplementation(function (this: GraphBuilder, node) {
    if (node.op.kind === 'composite') found.add(node.op);
    keep.call(this, node);
  });
  for (const op of Object.values(ops)) {
    if (!op.gradient) continue;
    const rule = op.gradient.bind(op);
    vi.spyOn(op as { gradient: typeof rule }, 'gradient').mockImplementation((context) => {
      const before = context.g.nodes.length;
      const results = rule(context);
      const read = context.g.nodes.slice(before).flatMap(({ inputs }) => inputs);
      if (context.g.scope !== scaffold) calls.push(gradientCall(op, context, new Set<unknown>([...read, ...results])));
      return results;
    });
  }
  for (const { nodes } of build()) for (const { op, scope } of nodes) if (scope !== scaffold) found.add(op);
  vi.restoreAllMocks();
  return { found, calls };
}

function gradientCall(op: Op, context: GradientContext, read: ReadonlySet<unknown>): GradientCall {
  const { g, inputs, outputs } = context;
  const saved = new Set<unknown>(context.saved);
  const own = [...inputs, ...outputs] as Value[];
  const undeclared = own.filter((value) => read.has(value) && !saved.has(value) && !g.constantData(value));
  const places = (values: readonly unknown[]) =>
    values.flatMap((value, i) => (read.has(value) && saved.has(value) ? [i] : []));
  return {
    op,
    inputs: places(inputs),
    outputs: places(outputs),
    numOutputs: outputs.length,
    undeclared: undeclared.map(({ name }) => `${op.type} ${name}`),
  };
}

const regimes = (['block', 'neuron'] as const).flatMap((granularity) =>
  (['forward', 'backward'] as const).map((masking) => ({ granularity, masking })),
);
const targets = [
  ...providers.map((provider) => ({ provider })),
  { provider: 'cuda' as const, lowering: { customOperators: true } },
];

/** What a worker with a part of the units and evaluations run; half of them with all options that a run may have. */
function graphsOf(model: ModelDefinition, target: (typeof targets)[number], regime: number): Graph[] {
  const everyOther = (size: number) => Array.from({ length: Math.ceil(size / 2) }, (_, i) => 2 * i);
  const held = {
    blocks: model.blocks.slice(1),
    neurons: Object.fromEntries(model.groups.map(({ id, size }) => [id, everyOther(size)])),
  };
  const softLabels = model.reads === 'images';
  const options = { accumulate: true, recompute: true, dropout: 0.1, stochasticDepth: 0.2, softLabels };
  const { granularity, masking } = regimes[regime % regimes.length]!;
  const all = [1, 2].includes(regime % regimes.length);
  const { graph } = model.training({ batch: 1, granularity, masking, held, ...target, ...(all && options) });
  if (masking === 'backward') return [publishGradients(graph)];
  const whole = { batch: 1, granularity, branchScale: 0.5, ...target };
  const hasBuffers = model.tensors.some(({ kind }) => kind === 'buffer');
  return [graph, model.evaluation(whole).graph, ...(hasBuffers ? [model.statistics(whole).graph] : [])];
}

describe('the operators', () => {
  let inGraphs: ReturnType<typeof watch>;
  let inEntries: ReturnType<typeof watch>;

  beforeAll(() => {
    inGraphs = watch(() => {
      const { first, others } = presetSpecs();
      const build = (spec: ModelSpec, some: readonly number[]) => {
        const model = createModel(spec);
        const run = targets.flatMap((target, i) => some.flatMap((regime) => graphsOf(model, target, regime + i)));
        return [model.inference().graph, ...run];
      };
      return [...first.flatMap((spec) => build(spec, [0, 1, 2, 3])), ...others.flatMap((spec, i) => build(spec, [i]))];
    });
    inEntries = watch(() =>
      entries.flatMap(([, , entry]) => {
        const differentiated = withoutGradient(entry).length === 0 && !entry.refuses && !entry.ambiguous;
        const graphs = [buildForward(entry), ...(differentiated ? [buildBackward(entry)] : [])];
        return providers.flatMap((provider) => graphs.map((graph) => ownOutputs(lower(graph, provider))));
      }),
    );
  });

  it('are those of the graphs that families build, no more and no less', () => {
    const unused = [...nameOf.keys()].filter((op) => !inGraphs.found.has(op));
    const unlisted = [...inGraphs.found].filter((op) => !nameOf.has(op));
    expect({ unused: namesOf(unused), unlisted: namesOf(unlisted) }).toEqual({ unused: [], unlisted: [] });
  });

  it('have an entry each that runs them, but for custom ones', () => {
    const custom = new Set<Op>(Object.values(customOperators));
    expect(namesOf([...inGraphs.found].filter((op) => !inEntries.found.has(op) && !custom.has(op)))).toEqual([]);
  });

  it('have a gradient that finite differences check, or none', () => {
    const checked = new Set(inEntries.calls.map(({ op }) => op));
    expect(namesOf(Object.values(ops).filter((op) => op.gradient && !checked.has(op)))).toEqual([]);
  });

  it('are differentiated from what they say they save, and from all of it', () => {
    expect([...inGraphs.calls, ...inEntries.calls].flatMap(({ undeclared }) => undeclared)).toEqual([]);
    for (const op of Object.values(ops)) {
      if (!op.gradient) continue;
      const calls = inEntries.calls.filter((call) => call.op === op);
      const places = (which: 'inputs' | 'outputs') => new Set(calls.flatMap((call) => call[which]));
      const { inputs = [], outputs = [] } = op.saves ?? {};
      const all = [...Array(Math.max(...calls.map(({ numOutputs }) => numOutputs))).keys()];
      expect({ op: op.type, inputs: places('inputs'), outputs: places('outputs') }).toEqual({
        op: op.type,
        inputs: new Set(inputs),
        outputs: new Set(outputs === 'all' ? all : outputs),
      });
    }
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
    ['Conv: weight or attributes do not fit', () => conv(g, a, b, square(1, 1))],
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
