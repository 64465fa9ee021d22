// Local simplifications: chains of Transpose or Reshape become one, those that change nothing vanish.

import type { Graph, GraphBuilder, Node, Value } from '../graph.ts';
import { Identity } from '../ops/elementwise.ts';
import { Reshape, reshape } from '../ops/reshape.ts';
import { Transpose, transpose } from '../ops/movement.ts';
import { rewrite } from './rewrite.ts';

export function simplify(graph: Graph): Graph {
  return rewrite(graph, (g, node) => {
    const result = simplifyNode(g, node);
    return result && [result];
  });
}

function simplifyNode(g: GraphBuilder, node: Node): Value | null {
  const x = node.inputs[0];
  if (!x) return null;
  const before = g.producer(x);
  const type = node.op.type;
  if (type === Identity.type) return x;
  if (type === Reshape.type && before?.op.type === Reshape.type)
    return reshape(g, before.inputs[0]!, node.outputs[0]!.shape);
  if (type !== Transpose.type || before?.op.type !== Transpose.type) return null;
  const [first, second] = [before.attributes.perm as readonly number[], node.attributes.perm as readonly number[]];
  return transpose(
    g,
    before.inputs[0]!,
    second.map((axis) => first[axis]!),
  );
}
