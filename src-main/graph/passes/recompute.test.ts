import { describe, expect, it } from 'vitest';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { runOnnx } from '../../testing/runOnnx.ts';
import { differentiate } from '../autodiff.ts';
import { GraphBuilder, type Graph, type Node, type Value } from '../graph.ts';
import { liveness } from '../liveness.ts';
import { lower } from '../lower/lower.ts';
import { exp, mul, relu } from '../ops/elementwise.ts';
import { gemm } from '../ops/linalg.ts';
import { after, moment } from '../ops/ordering.ts';
import { reshape } from '../ops/reshape.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { printGraph } from '../print.ts';
import { verify } from '../verify.ts';
import { placeEarly } from './early.ts';
import { recomputeBlocks } from './recompute.ts';

const isGradient = (output: string) => output.startsWith('grad/');
const blocks = ['block.0', 'block.1', 'block.10'];

/** Three blocks of two layers each on x [4,6]; `block.1` must not be taken for part of `block.10`. */
function trainingGraph(): { graph: Graph; loss: Value } {
  const g = new GraphBuilder('test');
  let x = g.input('x', 'float32', [4, 6]);
  const parameters: Value[] = [];
  for (const block of blocks) {
    for (const layer of ['a', 'b']) {
      g.scope = `${block}.${layer}`;
      const weight = g.input(`${block}.${layer}.weight`, 'float32', [6, 6]);
      parameters.push(weight);
      x = relu(g, gemm(g, x, weight, { transA: 0, transB: 1 }));
    }
  }
  g.scope = 'loss';
  const loss = reshape(g, reduceSum(g, mul(g, x, x), [0, 1], false), []);
  differentiate(g, loss, parameters).forEach((gradient, i) => g.output(`grad/${parameters[i]!.name}`, gradient));
  g.output('loss', loss);
  const graph = lower(verify(g.build()), 'cpu');
  return { graph, loss: graph.outputs.find(({ name }) => name === 'loss')!.value };
}

const feedsOf = (graph: Graph) => {
  const random = randomSource(3);
  return new Map(graph.inputs.map((input) => [input.name, randomTensor(random, input.shape)]));
};

describe('recomputeBlocks', () => {
  const { graph, loss } = trainingGraph();
  const recomputed = verify(recomputeBlocks(graph, loss, isGradient, blocks));

  it('computes the inside of each block again, behind the gradient that enters the block', () => {
    const count = (of: Graph, type: string, scope: string) =>
      of.nodes.filter((node) => node.op.type === type && node.scope === scope).length;
    for (const block of blocks) {
      expect(count(recomputed, 'Relu', `${block}.a`)).toBe(2);
      expect(count(recomputed, 'Relu', `${block}.b`), 'what leaves a block is kept').toBe(1);
    }
    const order = recomputed.nodes.map((node) => `${node.op.type} ${node.scope}`);
    const again = blocks.map((block) => order.lastIndexOf(`Relu ${block}.a`));
    expect(again).toEqual([...again].sort((a, b) => b - a));
    expect(order.lastIndexOf('Gemm block.10.a')).toBeLessThan(again[1]!);
  });

  it('gives the same numbers bit for bit, also through the optimisations of the runtime', async () => {
    const feeds = feedsOf(graph);
    expect(await runOnnx(recomputed, feeds)).toEqual(await runOnnx(graph, feeds));
    expect(interpret(recomputed, feeds)).toEqual(interpret(graph, feeds));
  });

  it('keeps less alive', () => {
    expect(liveness(recomputed).peakBytes).toBeLessThan(liveness(placeEarly(graph, 0)).peakBytes);
  });

  it('does not depend on the order in which the nodes are given', () => {
    const read = new Set(graph.nodes.flatMap((node) => node.inputs));
    const isLeaf = (node: Node) => !node.outputs.some((output) => read.has(output));
    const leavesLast = [...graph.nodes.filter((node) => !isLeaf(node)), ...graph.nodes.filter(isLeaf).reverse()];
    const again = recomputeBlocks(verify({ ...graph, nodes: leavesLast }), loss, isGradient, blocks);
    expect(printGraph(verify(again))).toBe(printGraph(recomputed));
  });
});

describe('after', () => {
  it('is the operand, by way of the sizes of the events', () => {
    const g = new GraphBuilder('test');
    const [x, a, b] = [g.input('x', 'float32', [2, 3]), g.input('a', 'float32', [4]), g.input('b', 'float32', [])];
    g.output('y', after(g, x, moment(g, [a, b])));
    expect(printGraph(verify(g.build()))).toMatchInlineSnapshot(`
      "input x: float32[2,3]
      input a: float32[4]
      input b: float32[]
      %0: float32[1] = Slice(a) {starts: [0], ends: [1], axes: [0]}
      %1: float32[1] = Add(%0, b)
      %2: int64[] = Size(%1)
      %3: int64[2] = Mul(%2, [0 0])
      %4: float32[2,3] = Reshape(x, %3)
      output y = %4"
    `);
  });
});

describe('placeEarly', () => {
  it('moves what only outputs need to where its operands are, with what it alone needs', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2]);
    const w = g.input('w', 'float32', [2]);
    const forward = exp(g, x);
    const first = mul(g, forward, x);
    const second = mul(g, first, x);
    const third = mul(g, second, x);
    g.output('chain', mul(g, third, third));
    g.output('branch', exp(g, third));
    const prepared = exp(g, exp(g, w));
    g.output('late', mul(g, first, prepared));
    expect(printGraph(verify(placeEarly(g.build(), 1)))).toMatchInlineSnapshot(`
      "input x: float32[2]
      input w: float32[2]
      %0: float32[2] = Exp(x)
      %1: float32[2] = Mul(%0, x)
      %2: float32[2] = Exp(w)
      %3: float32[2] = Exp(%2)
      %4: float32[2] = Mul(%1, %3)
      %5: float32[2] = Mul(%1, x)
      %6: float32[2] = Mul(%5, x)
      %7: float32[2] = Mul(%6, %6)
      %8: float32[2] = Exp(%6)
      output chain = %7
      output branch = %8
      output late = %4"
    `);
  });
});
