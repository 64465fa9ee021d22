// Removes nodes and constants that no output depends on. Inputs stay: callers bind them by name.

import type { Graph, Node, Value } from '../graph.ts';

export function removeDeadCode(graph: Graph): Graph {
  const used = new Set<Value>(graph.outputs.map((output) => output.value));
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => used.has(output))) continue;
    kept.push(node);
    for (const input of node.inputs) used.add(input);
  }
  return { ...graph, nodes: kept.reverse(), constants: graph.constants.filter(({ value }) => used.has(value)) };
}
