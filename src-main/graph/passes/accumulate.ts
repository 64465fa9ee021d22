// Makes a training graph add its gradients to those of the micro-batches before: `grad/<name>` = input `accumulated/<name>` + gradient.
// Each sum is taken where its gradient is made, so that a gradient lives no longer than without it.

import { GraphBuilder, type Graph, type Value } from '../graph.ts';
import { add } from '../ops/elementwise.ts';

const prefix = 'grad/';

export function accumulateGradients(graph: Graph): Graph {
  const g = new GraphBuilder(graph.name, { ...graph, outputs: [], nodes: [] });
  const gradients = graph.outputs.filter(({ name }) => name.startsWith(prefix));
  const sums = new Map<string, Value>();
  const addUp = (name: string, value: Value) => {
    const before = g.input(`accumulated/${name.slice(prefix.length)}`, value.dtype, value.shape);
    sums.set(name, add(g, before, value));
  };
  for (const node of graph.nodes) {
    g.keep(node);
    g.scope = node.scope;
    for (const { name, value } of gradients) if (node.outputs.includes(value)) addUp(name, value);
  }
  for (const { name, value } of graph.outputs) g.output(name, sums.get(name) ?? value);
  return g.build();
}
