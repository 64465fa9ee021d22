// Measured memory of a device process, by the categories of the prediction.
//
// Weights, gradients and optimizer state: what the process has in memory of those parts of the store; activations: the largest size of the
// arena of its sessions. Both are of the phase (steps, or an evaluation) in which they came to most. Workspace is the rest of the largest
// resident size that the system has seen, so that nothing is left out. Of a device with memory of its own the samples are of that memory
// (worker/deviceMemory.ts).

import type { DeviceMemory } from '../contract/run.ts';
import type { MemorySample } from '../native.ts';

/** `before`: what was measured so far. */
export function measuredMemory(
  device: string,
  pid: number,
  sample: MemorySample,
  before: DeviceMemory | undefined,
): DeviceMemory {
  const { residentBytes, peakResidentBytes } = sample;
  const now = {
    weights: sample.valuesBytes,
    gradients: sample.gradientsBytes,
    optimizer: sample.optimizerBytes,
    activations: sample.arenaPeakBytes,
  };
  const sum = (parts: typeof now) => parts.weights + parts.gradients + parts.optimizer + parts.activations;
  const { weights, gradients, optimizer, activations } =
    before && before.pid === pid && sum(before.measured) > sum(now) ? before.measured : now;
  const parts = { weights, gradients, optimizer, activations };
  const workspace = Math.max(0, peakResidentBytes - sum(parts));
  return { device, pid, residentBytes, peakResidentBytes, measured: { ...parts, workspace, total: peakResidentBytes } };
}
