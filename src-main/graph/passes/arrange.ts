// Puts a lowered graph into the form in which the runtime needs least memory for it, without changing what is computed.
//
// The order of the nodes in the file is what the runtime chooses its order of execution by (executionOrder.ts): as built, or with leaves
// last, whichever takes less.

import { allocations } from '../allocations.ts';
import { leavesLast } from '../executionOrder.ts';
import type { Graph } from '../graph.ts';
import { findPeak } from '../liveness.ts';
import { ownOutputs } from './ownOutputs.ts';
import { refetch } from './refetch.ts';

export function arrange(graph: Graph): Graph {
  const built = refetch(ownOutputs(graph));
  const later = leavesLast(built);
  return arenaOf(built) < arenaOf(later) ? built : later;
}

const arenaOf = (graph: Graph): number => findPeak(allocations(graph), 1).arenaBytes;
