// Gradients by the graph against central differences of its loss along one random direction, in float64.

import type { Graph } from '../graph/graph.ts';
import { interpret } from './interpreter.ts';
import { randomTensor } from './random.ts';
import type { TestTensor } from './runOnnx.ts';

const step = 1e-5;

/**
 * Relative difference between the slope of output `loss` that the outputs `grad/<input>` say and the one measured, over all inputs that
 * have such an output.
 */
export function slopeError(graph: Graph, feeds: ReadonlyMap<string, TestTensor>, random: () => number): number {
  const names = graph.outputs.flatMap(({ name }) => (name.startsWith('grad/') ? [name.slice(5)] : []));
  const directions = new Map(names.map((name) => [name, randomTensor(random, feeds.get(name)!.shape)]));
  const gradients = interpret(graph, feeds);
  const forward = { ...graph, outputs: graph.outputs.filter(({ name }) => name === 'loss') };
  const lossAt = (t: number) => interpret(forward, moved(feeds, directions, t)).get('loss')!.data[0]!;
  const measured = (lossAt(step) - lossAt(-step)) / (2 * step);
  const stated = names.reduce((sum, name) => sum + dot(gradients.get(`grad/${name}`)!, directions.get(name)!), 0);
  return Math.abs(stated - measured) / Math.max(Math.abs(measured), 1e-2);
}

function moved(feeds: ReadonlyMap<string, TestTensor>, directions: ReadonlyMap<string, TestTensor>, t: number) {
  return new Map(
    [...feeds].map(([name, { shape, data }]) => {
      const direction = directions.get(name);
      return [
        name,
        direction ? { shape, data: Array.from(data, (x, i) => x + t * direction.data[i]!) } : { shape, data },
      ];
    }),
  );
}

const dot = (a: TestTensor, b: TestTensor): number => Array.from(a.data).reduce((sum, x, i) => sum + x * b.data[i]!, 0);
