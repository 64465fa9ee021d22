// Replaces composite operators by standard ONNX operators, in the formulation that suits an execution provider. Rules live in ops/.

import type { ExecutionProvider, Graph } from '../graph.ts';
import { removeCommonSubexpressions } from '../passes/commonSubexpression.ts';
import { removeDeadCode } from '../passes/deadCode.ts';
import { rewrite } from '../passes/rewrite.ts';
import { simplify } from '../passes/simplify.ts';
import type { LoweringOptions } from './formulations.ts';

/** A graph of standard operators, and custom ones where `options` allow them, cleaned up: ready to plan, write and run. */
export function lower(graph: Graph, provider: ExecutionProvider, options: LoweringOptions = {}): Graph {
  const lowered = rewrite(graph, (g, node) => node.op.lower?.(g, node, provider, options) ?? null);
  return removeDeadCode(simplify(removeCommonSubexpressions(lowered)));
}
