// Makes a training graph send its gradients to the host in a few groups, each as soon as it is finished (ops/copies.ts).
//
// The order in which the runtime executes the other nodes (executionOrder.ts) stays as it is but for leaves: the node of a group is a leaf, and
// its place among the leaves is that of its first gradient, so that the runtime walks back from it to all gradients of the group before it goes to
// the next leaf. Gradients that are finished one after the other are neighbours in the worker's slab, most of them: a group is few copies.

import { executionOrder, leavesOf } from '../executionOrder.ts';
import { bytesOf, GraphBuilder, type Graph, type Node, type Value } from '../graph.ts';
import { publish } from '../ops/copies.ts';

/** Outputs of its nodes begin so. */
export const publishedPrefix = 'published/';

/** Of an arranged graph; `count`: groups at most, of about as many bytes each. */
export function publishGradients(graph: Graph, count = 8): Graph {
  const order = executionOrder(graph.nodes);
  const places = new Map(order.flatMap(({ outputs }, at) => outputs.map((value) => [value, at] as const)));
  const placeOf = (value: Value) => places.get(value)!;
  const gradients = graph.outputs.flatMap(({ name, value }) => (name.startsWith('grad/') ? [value] : []));
  gradients.sort((a, b) => placeOf(a) - placeOf(b));

  const leaves = new Set(leavesOf(graph.nodes));
  const isRead = (node: Node) => node.outputs.some((output) => gradients.includes(output));
  const lastFirst = order.filter((node) => leaves.has(node)).reverse();
  const nodes = [...graph.nodes.filter((node) => !leaves.has(node)), ...lastFirst.filter(isRead)];
  const g = new GraphBuilder(graph.name, { ...graph, nodes });
  const ends = groupsOf(gradients, count).map((values, index) => ({
    place: placeOf(values[0]!),
    add: () => g.output(`${publishedPrefix}${index}`, publish(g, values)),
  }));
  const others = lastFirst.filter((node) => !isRead(node));
  ends.push(...others.map((node) => ({ place: placeOf(node.outputs[0]!), add: () => g.keep(node) })));
  for (const { add } of ends.sort((a, b) => b.place - a.place)) add();
  return g.build();
}

/** Cuts a list where a share of its bytes is reached. */
function groupsOf(values: readonly Value[], count: number): Value[][] {
  const share = values.reduce((sum, value) => sum + bytesOf(value), 0) / count;
  const groups: Value[][] = [];
  let bytes = 0;
  for (const value of values) {
    if (groups.length === 0 || bytes >= groups.length * share) groups.push([]);
    groups.at(-1)!.push(value);
    bytes += bytesOf(value);
  }
  return groups;
}
