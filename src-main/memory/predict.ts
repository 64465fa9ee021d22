// Predicted memory of one device process, by category, from the store layout and the liveness of its workers' graphs.
//
// Weights, gradients and optimizer state are the parts of the shared store that the process works on; activations the sum of its sessions'
// peaks, since each session keeps its arena; workspace what the program and the runtime take by themselves, measured on an idle process
// (workspaceBytes), plus the batches held ready by the loader.

import type { MemoryBytes } from '../contract/plan.ts';
import type { StoreLayout, StoreRun } from './storeLayout.ts';

/** Resident bytes of a device process with the runtime loaded and no session: Node.js, the addon and ONNX Runtime. */
export const workspaceBytes = 110 * 2 ** 20;

export interface SessionMemory {
  worker: number;
  /** Peak bytes of intermediates (graph/liveness.ts). */
  activationBytes: number;
  /** Bytes of one micro-batch: input and labels. */
  batchBytes: number;
}

export function predictDevice(layout: StoreLayout, sessions: readonly SessionMemory[]): MemoryBytes {
  const workers = sessions.map((session) => session.worker);
  const sum = (of: (session: SessionMemory) => number) => sessions.reduce((total, session) => total + of(session), 0);
  const parts = {
    weights: 4 * heldScalars(layout, workers),
    gradients: 4 * workers.reduce((total, worker) => total + layout.slabSizes[worker]!, 0),
    optimizer: Math.ceil((4 * layout.optimizerSlots * layout.parameterSize) / layout.numParticipants),
    activations: sum((session) => session.activationBytes),
    workspace: workspaceBytes + 2 * sum((session) => session.batchBytes),
  };
  return { ...parts, total: Object.values(parts).reduce((total, bytes) => total + bytes, 0) };
}

/** Scalars that at least one of the workers holds. */
export function heldScalars(layout: StoreLayout, workers: readonly number[]): number {
  const held = (run: StoreRun) => run.holders.some((holder) => workers.includes(holder));
  return layout.tensors.reduce(
    (total, tensor) => total + tensor.runs.filter(held).reduce((rows, run) => rows + run.rows, 0) * tensor.rowSize,
    0,
  );
}
