// Measured memory of a device process, by the categories of the prediction.
//
// Weights, gradients and optimizer state are allocations of known size in the shared store; activations are what the session arenas
// report; workspace is the rest of the resident memory.

import type { MemoryBytes } from '../contract/plan.ts';
import type { DeviceMemory } from '../contract/run.ts';
import type { MemorySample } from '../native.ts';

export function measuredMemory(
  device: string,
  pid: number,
  predicted: MemoryBytes,
  sample: MemorySample,
): DeviceMemory {
  const { weights, gradients, optimizer } = predicted;
  const { residentBytes, peakResidentBytes } = sample;
  const activations = sample.arenaPeakBytes.reduce((sum, bytes) => sum + bytes, 0);
  const workspace = Math.max(0, residentBytes - weights - gradients - optimizer - activations);
  const measured = { weights, gradients, optimizer, activations, workspace, total: residentBytes };
  return { device, pid, residentBytes, peakResidentBytes, measured };
}
