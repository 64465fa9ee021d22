// Lets every reader of a parameter in another layout move it for itself, in place of keeping the moved copy from the forward to the
// backward pass. Moving is cheap beside what is computed with it, and the copies of all layers together are as large as the parameters.
// What is moved comes first in the file: so the runtime does it last of all that a reader waits for (executionOrder.ts).

import { GraphBuilder, type Graph, type Node, type Value } from '../graph.ts';

export function refetch(graph: Graph): Graph {
  const moved = movedInputs(graph);
  const g = new GraphBuilder(graph.name, { ...graph, outputs: [], nodes: [] });
  const others: Node[] = [];
  const kept = new Set<Node>();
  /** The value for one more reader; the first gets the nodes as they are, the others copies. */
  const fetch = (value: Value): Value => {
    const node = moved.get(value);
    if (!node) return value;
    const inputs = node.inputs.map(fetch);
    const changed = inputs.some((input, i) => input !== node.inputs[i]);
    if (!changed && !kept.has(node)) {
      kept.add(node);
      g.keep(node);
      return value;
    }
    g.scope = node.scope;
    return g.add(node.op, inputs, node.attributes)[0]!;
  };
  for (const node of graph.nodes) {
    if (moved.has(node.outputs[0]!)) continue;
    const own = new Map([...new Set(node.inputs)].map((input) => [input, fetch(input)]));
    const inputs = node.inputs.map((input) => own.get(input)!);
    others.push(inputs.every((input, i) => input === node.inputs[i]) ? node : { ...node, inputs });
  }
  const outputs = graph.outputs.map(({ name, value }) => ({ name, value: fetch(value) }));
  others.forEach((node) => g.keep(node));
  outputs.forEach(({ name, value }) => g.output(name, value));
  return g.build();
}

/** Values that are nothing but inputs and constants moved, with the nodes that move them. */
function movedInputs(graph: Graph): Map<Value, Node> {
  const given = new Set<Value>([...graph.inputs, ...graph.constants.map((constant) => constant.value)]);
  const moved = new Map<Value, Node>();
  for (const node of graph.nodes) {
    if (!node.op.refetched || !node.inputs.every((input) => given.has(input))) continue;
    given.add(node.outputs[0]!);
    moved.set(node.outputs[0]!, node);
  }
  return moved;
}
