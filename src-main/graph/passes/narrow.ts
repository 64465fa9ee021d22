// Pushes a pick of rows (Gather or Slice along one axis) up to the operands of what computes them, so that only those rows are computed.
//
// This is how backward masking saves work: the gradient of a weight is asked for in held rows only, and the pick moves through Transpose
// to the operands of the product or convolution that makes the gradient. Dead-code removal then drops the full gradient. A result that
// something else needs too is left alone. Which operators pick, and how a pick passes through one, their records say (ops/).

import type { Graph, GraphBuilder, Picking, Value } from '../graph.ts';
import { rewrite } from './rewrite.ts';

export function narrow(graph: Graph): Graph {
  const uses = countUses(graph);
  return rewrite(graph, (g, node) => {
    const found = node.op.picking?.(g, node);
    const result = found && push(g, node.inputs[0]!, found.axis, found.pick, uses);
    return result ? [result] : null;
  });
}

function countUses(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const count = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const output of graph.outputs) count(output.value);
  return uses;
}

/** The picked value computed from picked operands, or null where its producer does not allow it. */
function push(
  g: GraphBuilder,
  value: Value,
  axis: number,
  pick: Picking,
  uses: ReadonlyMap<Value, number>,
): Value | null {
  const node = g.producer(value);
  if (!node || (uses.get(value) ?? 0) > 1) return null;
  g.scope = node.scope;
  const deeper: Picking = (x, at) => push(g, x, at, pick, uses) ?? pick(x, at);
  return node.op.narrow?.(g, node, axis, pick, deeper) ?? null;
}
