import { describe, expect, it } from 'vitest';
import { slopeError } from '../testing/finiteDifferences.ts';
import { randomSource, randomTensor } from '../testing/random.ts';
import { differentiate } from './autodiff.ts';
import { GraphBuilder } from './graph.ts';
import { add, exp, mul, relu } from './ops/elementwise.ts';
import { matMul } from './ops/linalg.ts';
import { reduceMax } from './ops/reduction.ts';
import { reduceSum } from './ops/broadcast.ts';
import { removeDeadCode } from './passes/deadCode.ts';
import { printGraph } from './print.ts';
import { verify } from './verify.ts';

describe('differentiate', () => {
  it('adds up the uses of a value, last use first', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [3]);
    const y = mul(g, x, add(g, x, exp(g, x)));
    g.output('grad/x', differentiate(g, reduceSum(g, y, [0], false), [x])[0]!);
    expect(printGraph(removeDeadCode(verify(g.build())))).toMatchInlineSnapshot(`
      "input x: float32[3]
      %0: float32[3] = Exp(x)
      %1: float32[3] = Add(x, %0)
      %2: float32[1] = Reshape(1) {shape: [1]}
      %3: float32[3] = Expand(%2) {shape: [3]}
      %4: float32[3] = Mul(%3, %1)
      %5: float32[3] = Mul(%3, x)
      %6: float32[3] = Add(%4, %5)
      %7: float32[3] = Mul(%5, %0)
      %8: float32[3] = Add(%6, %7)
      output grad/x = %8"
    `);
  });

  it('gives the slope of a network with shared parameters', () => {
    const g = new GraphBuilder('test');
    const [x, w] = [g.input('x', 'float32', [2, 4]), g.input('w', 'float32', [4, 4])];
    const hidden = relu(g, matMul(g, x, w));
    const loss = reduceSum(g, mul(g, matMul(g, add(g, hidden, x), w), hidden), [0, 1], false);
    differentiate(g, loss, [x, w]).forEach((gradient, i) => g.output(['grad/x', 'grad/w'][i]!, gradient));
    g.output('loss', loss);
    const random = randomSource(3);
    const feeds = new Map([x, w].map((input) => [input.name, randomTensor(random, input.shape)]));
    expect(slopeError(verify(g.build()), feeds, random)).toBeLessThan(1e-8);
  });

  it('adds no node for what leads to no parameter', () => {
    const g = new GraphBuilder('test');
    const [x, w] = [g.input('x', 'float32', [2, 3]), g.input('w', 'float32', [3, 2])];
    const loss = reduceSum(g, matMul(g, exp(g, x), w), [0, 1], false);
    const before = g.nodes.length;
    differentiate(g, loss, [w]);
    const added = g.nodes.slice(before).map((node) => node.op.type);
    expect(added).toEqual(['Reshape', 'Expand', 'Transpose', 'MatMul']);
  });

  it('refuses a loss that is no scalar, a parameter without influence and an operator without gradient', () => {
    const g = new GraphBuilder('test');
    const [x, w] = [g.input('x', 'float32', [2]), g.input('w', 'float32', [2])];
    expect(() => differentiate(g, x, [x])).toThrow('the loss x is not a float32 scalar');
    const loss = reduceSum(g, x, [0], false);
    expect(() => differentiate(g, loss, [w])).toThrow('the loss does not depend on w');
    expect(() => differentiate(g, reduceMax(g, x, [0], false), [x])).toThrow(
      /ReduceMax .* has no gradient: used only as a shift/,
    );
  });
});
