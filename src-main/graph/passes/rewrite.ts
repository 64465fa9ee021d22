// Rebuilds a graph node by node, replacing some nodes: what lowering and most passes are made of.

import { GraphBuilder, sameShape, showType, type Graph, type Node, type Value } from '../graph.ts';

/** Gets a node whose inputs are already those of the new graph; returns the values that replace its outputs, or null to keep it. */
export type Replace = (g: GraphBuilder, node: Node) => readonly Value[] | null;

/** New graph with the same inputs, constants and outputs; replaced values keep their types (checked). */
export function rewrite(graph: Graph, replace: Replace): Graph {
  const g = new GraphBuilder(graph.name, { ...graph, outputs: [], nodes: [] });
  const replaced = new Map<Value, Value>();
  const current = (value: Value) => replaced.get(value) ?? value;
  for (const original of graph.nodes) {
    const inputs = original.inputs.map(current);
    const node = inputs.every((input, i) => input === original.inputs[i]) ? original : { ...original, inputs };
    g.scope = node.scope;
    const results = replace(g, node);
    if (!results) g.keep(node);
    results?.forEach((result, i) => {
      const output = node.outputs[i]!;
      if (result.dtype !== output.dtype || !sameShape(result.shape, output.shape))
        throw new Error(`${node.op.type} ${output.name}: ${showType(output)} replaced by ${showType(result)}`);
      if (result !== output) replaced.set(output, result);
    });
  }
  for (const { name, value } of graph.outputs) g.output(name, current(value));
  return g.build();
}
