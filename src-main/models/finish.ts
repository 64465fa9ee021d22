// What every family does with its graphs at the end.

import type { Graph, GraphBuilder, Value } from '../graph/graph.ts';
import { lower } from '../graph/lower/lower.ts';
import { pick } from '../graph/ops/indexing.ts';
import { removeDeadCode } from '../graph/passes/deadCode.ts';
import { narrow } from '../graph/passes/narrow.ts';
import { verify } from '../graph/verify.ts';
import type { Masking, Target } from './model.ts';
import type { Rows } from './ports.ts';

/** A lowered graph that computes nothing in vain. */
export const finish = (graph: Graph, { provider = 'cpu', lowering }: Target): Graph =>
  verify(lower(removeDeadCode(narrow(verify(graph))), provider, lowering));

/** Under backward masking, the held rows of a value that covers all; under forward masking there are no others. */
export const pickHeld = (g: GraphBuilder, value: Value, rows: Rows, masking: Masking): Value =>
  masking === 'backward' && rows ? pick(g, value, rows, 0) : value;
