import { expect, it } from 'vitest';
import { GraphBuilder } from '../graph.ts';
import { exp, mul } from '../ops/elementwise.ts';
import { printGraph } from '../print.ts';
import { verify } from '../verify.ts';
import { accumulateGradients } from './accumulate.ts';

it('adds each gradient to an input where it is made, and leaves other outputs alone', () => {
  const g = new GraphBuilder('test');
  const x = g.input('x', 'float32', [2]);
  const gradient = exp(g, x);
  const other = mul(g, gradient, x);
  g.output('grad/w', gradient);
  g.output('grad/v', gradient);
  g.output('stat/mean', other);
  expect(printGraph(verify(accumulateGradients(g.build())))).toMatchInlineSnapshot(`
    "input x: float32[2]
    input accumulated/w: float32[2]
    input accumulated/v: float32[2]
    %0: float32[2] = Exp(x)
    %1: float32[2] = Add(accumulated/w, %0)
    %2: float32[2] = Add(accumulated/v, %0)
    %3: float32[2] = Mul(%0, x)
    output grad/w = %1
    output grad/v = %2
    output stat/mean = %3"
  `);
});
