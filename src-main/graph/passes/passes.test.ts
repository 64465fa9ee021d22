import { describe, expect, it } from 'vitest';
import { relativeError } from '../../testing/arrays.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { differentiate } from '../autodiff.ts';
import { graphFlops } from '../flops.ts';
import { GraphBuilder, type Graph, type Value } from '../graph.ts';
import { conv } from '../ops/conv.ts';
import { add, exp, identity, mul } from '../ops/elementwise.ts';
import { pick } from '../ops/indexing.ts';
import { gemm, matMul } from '../ops/linalg.ts';
import { reshape } from '../ops/reshape.ts';
import { transpose } from '../ops/movement.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { printGraph } from '../print.ts';
import { verify } from '../verify.ts';
import { removeCommonSubexpressions } from './commonSubexpression.ts';
import { removeDeadCode } from './deadCode.ts';
import { narrow } from './narrow.ts';
import { rewrite } from './rewrite.ts';
import { simplify } from './simplify.ts';

/** Largest relative difference of the outputs of two graphs on the same random inputs. */
function difference(a: Graph, b: Graph): number {
  const random = randomSource(1);
  const feeds = new Map(a.inputs.map((input) => [input.name, randomTensor(random, input.shape)]));
  const [left, right] = [interpret(a, feeds), interpret(b, feeds)];
  return Math.max(...[...left].map(([name, value]) => relativeError(right.get(name)!.data, value.data)));
}

describe('removeDeadCode', () => {
  it('drops nodes and constants that no output needs, and keeps inputs', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2]);
    g.input('unused', 'float32', [1]);
    exp(g, mul(g, x, g.scalar(3)));
    g.output('y', add(g, x, g.scalar(1)));
    expect(printGraph(removeDeadCode(verify(g.build())))).toMatchInlineSnapshot(`
      "input x: float32[2]
      input unused: float32[1]
      %0: float32[2] = Add(x, 1)
      output y = %0"
    `);
  });
});

describe('removeCommonSubexpressions', () => {
  it('keeps the first of equal nodes, through chains, and tells attributes apart', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2, 2]);
    const twice = [exp(g, x), exp(g, x)].map((y) => mul(g, y, g.scalar(2)));
    g.output('a', add(g, twice[0]!, twice[1]!));
    g.output('b', add(g, reduceSum(g, x, [0], false), reduceSum(g, x, [1], false)));
    expect(printGraph(verify(removeDeadCode(removeCommonSubexpressions(g.build()))))).toMatchInlineSnapshot(`
      "input x: float32[2,2]
      %0: float32[2,2] = Exp(x)
      %1: float32[2,2] = Mul(%0, 2)
      %2: float32[2,2] = Add(%1, %1)
      %3: float32[2] = ReduceSum(x) {axes: [0], keepdims: 0}
      %4: float32[2] = ReduceSum(x) {axes: [1], keepdims: 0}
      %5: float32[2] = Add(%3, %4)
      output a = %2
      output b = %5"
    `);
  });
});

describe('simplify', () => {
  it('joins chains of Transpose and of Reshape, and drops those that change nothing', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2, 3, 4]);
    g.output('same', exp(g, transpose(g, transpose(g, x, [2, 0, 1]), [1, 2, 0])));
    g.output('turned', transpose(g, transpose(g, identity(g, x), [1, 0, 2]), [0, 2, 1]));
    g.output('flat', reshape(g, reshape(g, x, [6, 4]), [24]));
    expect(printGraph(verify(removeDeadCode(simplify(g.build()))))).toMatchInlineSnapshot(`
      "input x: float32[2,3,4]
      %0: float32[2,3,4] = Exp(x)
      %1: float32[3,4,2] = Transpose(x) {perm: [1,2,0]}
      %2: float32[24] = Reshape(x) {shape: [24]}
      output same = %0
      output turned = %1
      output flat = %2"
    `);
  });
});

describe('narrow', () => {
  /** Gradient of a convolution's weight in the given rows of an axis. */
  function heldGradient(rows: number[], axis: number, stored: boolean): Graph {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2, 3, 4, 4]);
    const w = g.input('w', 'float32', stored ? [3, 6, 3, 3] : [6, 3, 3, 3]);
    const y = conv(g, x, stored ? transpose(g, w, [1, 0, 2, 3]) : w, { strides: [1, 1], pads: [1, 1, 1, 1] });
    const loss = reduceSum(g, mul(g, y, y), [0, 1, 2, 3], false);
    g.output('grad', pick(g, differentiate(g, loss, [w])[0]!, rows, axis));
    return verify(g.build());
  }

  it.each([
    ['rows', [0, 2, 5], 0, false],
    ['a range of rows', [2, 3], 0, false],
    ['columns', [0, 2], 1, false],
    ['columns of a weight stored with that axis first', [0, 2], 0, true],
  ] as const)('computes a weight gradient of a convolution in held %s only', (_, rows, axis, stored) => {
    const full = heldGradient([...rows], axis, stored);
    const narrowed = verify(removeDeadCode(narrow(full)));
    expect(difference(full, narrowed)).toBeLessThan(1e-12);
    const gradientFlops = (graph: Graph) =>
      graphFlops({ ...graph, nodes: graph.nodes.filter((n) => n.op.type === 'ConvWeightGradient') });
    expect(gradientFlops(narrowed) / gradientFlops(full)).toBeCloseTo(
      rows.length / (axis === 0 && !stored ? 6 : 3),
      10,
    );
  });

  it('picks before the transposition and the convolution', () => {
    expect(printGraph(verify(removeDeadCode(narrow(heldGradient([0, 2], 0, true)))))).toMatchInlineSnapshot(`
      "input x: float32[2,3,4,4]
      input w: float32[3,6,3,3]
      %0: float32[6,3,3,3] = Transpose(w) {perm: [1,0,2,3]}
      %1: float32[2,6,4,4] = Conv(x, %0) {strides: [1,1], pads: [1,1,1,1]}
      %2: float32[1,1,1,1] = Reshape(1) {shape: [1,1,1,1]}
      %3: float32[2,6,4,4] = Expand(%2) {shape: [2,6,4,4]}
      %4: float32[2,6,4,4] = Mul(%3, %1)
      %5: float32[2,6,4,4] = Mul(%3, %1)
      %6: float32[2,6,4,4] = Add(%4, %5)
      %7: float32[2,2,4,4] = Gather(x, [0 2]) {axis: 1}
      %8: float32[6,2,3,3] = ConvWeightGradient(%7, %6) {strides: [1,1], pads: [1,1,1,1], kernel: [3,3]}
      %9: float32[2,6,3,3] = Transpose(%8) {perm: [1,0,2,3]}
      output grad = %9"
    `);
  });

  it.each<[string, (g: GraphBuilder, a: Value, b: Value) => Value]>([
    ['MatMul rows', (g, a, b) => pick(g, matMul(g, a, b), [0, 2], 0)],
    ['MatMul columns', (g, a, b) => pick(g, matMul(g, a, b), [1, 2], 1)],
    ['Gemm rows, transposed', (g, a, b) => pick(g, gemm(g, b, a, { transA: 1, transB: 1 }), [0, 2], 0)],
    ['Gemm columns, transposed', (g, a, b) => pick(g, gemm(g, b, a, { transA: 1, transB: 1 }), [0, 3], 1)],
    ['Transpose', (g, a, b) => pick(g, transpose(g, matMul(g, a, b), [1, 0]), [0, 2], 0)],
  ])('narrows %s', (_, build) => {
    const g = new GraphBuilder('test');
    g.output('y', build(g, g.input('a', 'float32', [4, 5]), g.input('b', 'float32', [5, 4])));
    const full = verify(g.build());
    const narrowed = verify(removeDeadCode(narrow(full)));
    expect(difference(full, narrowed)).toBeLessThan(1e-12);
    expect(graphFlops(narrowed)).toBe(graphFlops(full) / 2);
  });

  it('leaves a product alone that something else needs whole', () => {
    const g = new GraphBuilder('test');
    const product = matMul(g, g.input('a', 'float32', [4, 5]), g.input('b', 'float32', [5, 4]));
    g.output('all', product);
    g.output('some', pick(g, product, [0, 2], 0));
    const graph = g.build();
    expect(printGraph(narrow(graph))).toBe(printGraph(graph));
  });
});

describe('rewrite', () => {
  it('refuses a replacement of another type', () => {
    const g = new GraphBuilder('test');
    g.output('y', exp(g, g.input('x', 'float32', [2])));
    expect(() => rewrite(g.build(), (b) => [b.scalar(0)])).toThrow(/Exp .*float32\[2\] replaced by float32\[\]/);
  });
});
