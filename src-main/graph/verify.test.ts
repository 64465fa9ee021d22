import { describe, expect, it } from 'vitest';
import { GraphBuilder, type Graph } from './graph.ts';
import { exp } from './ops/elementwise.ts';
import { verify } from './verify.ts';

function sample(): Graph {
  const g = new GraphBuilder('sample');
  g.output('y', exp(g, exp(g, g.input('x', 'float32', [2]))));
  return g.build();
}

describe('verify', () => {
  it('returns a graph that is well formed', () => {
    const graph = sample();
    expect(verify(graph)).toBe(graph);
  });

  it.each<[string, (graph: Graph) => Graph]>([
    ['sample: Exp Exp_1 uses Exp_0 before it is defined', (g) => ({ ...g, nodes: [...g.nodes].reverse() })],
    ['sample: Exp_0 is defined twice', (g) => ({ ...g, nodes: [g.nodes[0]!, g.nodes[0]!] })],
    ['sample: x is defined twice', (g) => ({ ...g, inputs: [g.inputs[0]!, g.inputs[0]!] })],
    ['sample: output y is not defined', (g) => ({ ...g, nodes: g.nodes.slice(0, 1) })],
    ['sample: output y is named twice', (g) => ({ ...g, outputs: [g.outputs[0]!, g.outputs[0]!] })],
    [
      'sample: Exp Exp_0 is float32[3], its rule says float32[2]',
      (g) => ({ ...g, nodes: [{ ...g.nodes[0]!, outputs: [{ ...g.nodes[0]!.outputs[0]!, shape: [3] }] }] }),
    ],
    [
      'sample: constant c has 2 numbers for float32[3]',
      (g) => ({ ...g, constants: [{ value: { name: 'c', dtype: 'float32', shape: [3] }, data: [1, 2] }] }),
    ],
  ])('says: %s', (message, damage) => {
    expect(() => verify(damage(sample()))).toThrow(message);
  });
});
