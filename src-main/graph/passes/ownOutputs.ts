// Gives every output of a graph a value of its own: an input, a constant or a value that is named twice goes through Identity.

import { GraphBuilder, type Graph, type Value } from '../graph.ts';
import { identity } from '../ops/elementwise.ts';

export function ownOutputs(graph: Graph): Graph {
  const g = new GraphBuilder(graph.name, { ...graph, outputs: [] });
  const taken = new Set<Value>();
  for (const { name, value } of graph.outputs) {
    const own = taken.has(value) || !g.producer(value) ? identity(g, value) : value;
    taken.add(own);
    g.output(name, own);
  }
  return g.build();
}
