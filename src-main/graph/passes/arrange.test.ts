import { describe, expect, it } from 'vitest';
import { createModel } from '../../families/models.ts';
import { relativeError } from '../../testing/arrays.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { executionOrder, leavesLast } from '../executionOrder.ts';
import { GraphBuilder, type Graph } from '../graph.ts';
import { liveness } from '../liveness.ts';
import { exp, mul } from '../ops/elementwise.ts';
import { matMul } from '../ops/linalg.ts';
import { transpose } from '../ops/movement.ts';
import { verify } from '../verify.ts';
import { arrange } from './arrange.ts';
import { refetch } from './refetch.ts';

const types = (graph: Graph) => executionOrder(graph.nodes).map(({ op }) => op.type);

/** y = (x w)^2 and z = exp(y) w^T: the transposed weights are read by both halves. */
function twice(): Graph {
  const g = new GraphBuilder('test');
  const turned = transpose(g, g.input('w', 'float32', [4, 4]), [1, 0]);
  const y = matMul(g, g.input('x', 'float32', [4, 4]), turned);
  g.output('y', mul(g, y, y));
  g.output('z', matMul(g, exp(g, y), turned));
  return g.build();
}

describe('executionOrder', () => {
  it('walks back from the last leaf, each node after what it reads', () => {
    expect(types(twice())).toEqual(['Transpose', 'MatMul', 'Exp', 'MatMul', 'Mul']);
    expect(types(leavesLast(twice()))).toEqual(['Transpose', 'MatMul', 'Mul', 'Exp', 'MatMul']);
  });

  it('has every node once, after what it reads, in a training graph', () => {
    const model = createModel({
      family: 'resnet',
      layers: [1, 1],
      width: 8,
      stem: 'cifar',
      channels: 3,
      image: [8, 8],
      classes: 5,
    });
    const held = { blocks: model.blocks, neurons: {} };
    const { graph } = model.training({ batch: 2, granularity: 'block', masking: 'forward', held });
    const order = executionOrder(graph.nodes);
    expect(new Set(order).size).toBe(graph.nodes.length);
    verify({ ...graph, nodes: [...order] });
  });
});

describe('refetch', () => {
  it('moves a parameter again for each reader', () => {
    expect(types(refetch(twice())).filter((type) => type === 'Transpose')).toHaveLength(2);
  });
});

describe('arrange', () => {
  it('changes no result and takes no more memory', () => {
    const graph = twice();
    const arranged = verify(arrange(graph));
    const random = randomSource(1);
    const feeds = new Map(graph.inputs.map((input) => [input.name, randomTensor(random, input.shape)]));
    const [before, after] = [interpret(graph, feeds), interpret(arranged, feeds)];
    for (const [name, value] of before) expect(relativeError(after.get(name)!.data, value.data)).toBe(0);
    expect(liveness(arranged).arenaBytes).toBeLessThanOrEqual(liveness(graph).arenaBytes);
  });
});
