// Computes equal things once: of nodes with the same operator, inputs and attributes the first stays.

import type { Graph, Node } from '../graph.ts';
import { rewrite } from './rewrite.ts';

export function removeCommonSubexpressions(graph: Graph): Graph {
  const seen = new Map<string, Node>();
  return rewrite(graph, (_, node) => {
    const key = JSON.stringify([
      node.op.type,
      node.inputs.map((input) => input.name),
      Object.entries(node.attributes).sort(),
    ]);
    const earlier = seen.get(key);
    if (earlier) return earlier.outputs;
    seen.set(key, node);
    return null;
  });
}
