// Local simplifications, as operators know them (ops/): chains of Transpose or Reshape become one, those that change nothing vanish.

import type { Graph } from '../graph.ts';
import { rewrite } from './rewrite.ts';

export function simplify(graph: Graph): Graph {
  return rewrite(graph, (g, node) => {
    const [x] = node.inputs;
    const result = x && node.op.simplify?.(g, node, g.producer(x));
    return result ? [result] : null;
  });
}
