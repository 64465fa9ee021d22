// Floating-point operations of a graph: a multiply-add counts 2, an elementwise result 1, moving data 0.

import { sizeOf, type Graph, type Node } from './graph.ts';

export function nodeFlops(node: Node): number {
  return node.op.flops ? node.op.flops(node) : node.outputs.reduce((sum, output) => sum + sizeOf(output.shape), 0);
}

export function graphFlops(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + nodeFlops(node), 0);
}
