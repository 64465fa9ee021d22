// The order in which ONNX Runtime executes the nodes of a graph, and a pass that makes it a good one.
//
// The runtime does not follow the order of the file: it walks back from the nodes whose results no node reads (leaves: gradients, new
// statistics, the loss), the last of the file first, and from each node to its inputs, the last of the file first (GraphViewer's default
// order in onnxruntime/core/graph/graph_viewer.cc). A training graph as it is built would compute the gradients of all images first and
// those of all weights afterwards, and keep everything until then.

import type { Graph, Node, Value } from './graph.ts';

const known = new WeakMap<readonly Node[], readonly Node[]>();

/** The nodes in the order in which the runtime executes them. */
export function executionOrder(nodes: readonly Node[]): readonly Node[] {
  const order = known.get(nodes) ?? walk(nodes);
  known.set(nodes, order);
  return order;
}

function walk(nodes: readonly Node[]): Node[] {
  const index = new Map(nodes.map((node, i) => [node, i]));
  const producers = new Map<Value, Node>();
  for (const node of nodes) for (const output of node.outputs) producers.set(output, node);
  const before = (node: Node): Node[] => {
    const found = new Set(node.inputs.flatMap((input) => producers.get(input) ?? []));
    return [...found].sort((a, b) => index.get(a)! - index.get(b)!);
  };
  const stack = leavesOf(nodes).map((node) => ({ node, done: false }));
  const visited = new Set<Node>();
  const order: Node[] = [];
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const { node, done } = entry;
    if (done) order.push(node);
    if (done || visited.has(node)) continue;
    visited.add(node);
    stack.push({ node, done: true }, ...before(node).flatMap((n) => (visited.has(n) ? [] : { node: n, done: false })));
  }
  return order;
}

/** Leaves last, the first of them at the very end: so the runtime computes them in the order in which they were built. */
export function leavesLast(graph: Graph): Graph {
  const leaves = new Set(leavesOf(graph.nodes));
  const inner = graph.nodes.filter((node) => !leaves.has(node));
  return { ...graph, nodes: [...inner, ...[...leaves].reverse()] };
}

/** Nodes whose results no node reads. */
export function leavesOf(nodes: readonly Node[]): Node[] {
  const read = new Set(nodes.flatMap((node) => node.inputs));
  return nodes.filter((node) => !node.outputs.some((output) => read.has(output)));
}
