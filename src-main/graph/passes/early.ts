// Moves what one output alone depends on, such as a weight gradient, to directly behind the last thing that it needs.
//
// Picks of rows end up behind everything else when a graph is built (narrow); there they would keep alive all that they read. The first
// `fixed` nodes stay; of the others, only those that read one of them move, so that nothing is computed before its turn.

import type { Graph, Node, Value } from '../graph.ts';

export function placeEarly(graph: Graph, fixed: number): Graph {
  const rest = graph.nodes.slice(fixed);
  const producers = new Map<Value, Node>(rest.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const readers = new Map<Node, Set<Node>>(rest.map((node) => [node, new Set()]));
  const needs = new Map<Node, Set<Node>>(rest.map((node) => [node, new Set()]));
  for (const node of rest) {
    for (const input of node.inputs) {
      const producer = producers.get(input);
      if (!producer) continue;
      readers.get(producer)!.add(node);
      needs.get(node)!.add(producer);
    }
  }
  const sinks = sinksOf(rest, readers, graph);
  /** Of these, what needs nothing but fixed nodes: it waits for its first reader. */
  const idle = new Set<Node>();
  for (const node of rest) if (sinks.has(node) && [...needs.get(node)!].every((need) => idle.has(need))) idle.add(node);

  const placed = new Set<Node>();
  const order = graph.nodes.slice(0, fixed);
  const isReady = (node: Node) => [...needs.get(node)!].every((need) => placed.has(need) || idle.has(need));
  const put = (node: Node) => {
    if (placed.has(node)) return;
    placed.add(node);
    for (const need of needs.get(node)!) if (idle.has(need)) put(need);
    order.push(node);
  };
  const place = (node: Node) => {
    if (placed.has(node)) return;
    put(node);
    if (idle.has(node)) return;
    for (const reader of readers.get(node)!) if (sinks.has(reader) && isReady(reader)) place(reader);
  };
  rest.filter((node) => !sinks.has(node)).forEach(place);
  rest.forEach(place);
  return { ...graph, nodes: order };
}

/** Nodes on which one output depends and no other. */
function sinksOf(nodes: readonly Node[], readers: ReadonlyMap<Node, ReadonlySet<Node>>, graph: Graph): Set<Node> {
  const outputs = new Set(graph.outputs.map(({ value }) => value));
  /** The one output that a node leads to; null: several. */
  const leadsTo = new Map<Node, Value | null>();
  for (const node of [...nodes].reverse()) {
    const reached = new Set<Value | null>(node.outputs.filter((output) => outputs.has(output)));
    for (const reader of readers.get(node)!) reached.add(leadsTo.get(reader)!);
    leadsTo.set(node, reached.size === 1 ? [...reached][0]! : null);
  }
  return new Set(nodes.filter((node) => leadsTo.get(node) !== null));
}
