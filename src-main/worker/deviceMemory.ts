// What a device has in memory, measured: of a CPU device that of its process. Of a device with memory of its own that one, where the
// runtime counts it; what is bound of the store is known, and what sessions compute takes the rest.

import type { MemorySample, NativeDevice, SessionSpec } from '../native.ts';

interface Bound {
  weights: number;
  gradients: number;
}

const bytesOf = (ports: readonly { shape: number[] }[]) =>
  ports.reduce((sum, { shape }) => sum + 4 * shape.reduce((size, extent) => size * extent, 1), 0);

/** What a session has bound of the store, bytes. */
export function boundBytes({ inputs, outputs }: Pick<SessionSpec, 'inputs' | 'outputs'>): Bound {
  const from = (...sources: string[]) => bytesOf(inputs.filter(({ source }) => sources.includes(source)));
  const toSlab = bytesOf(outputs.filter(({ target }) => target === 'slab'));
  return { weights: from('values', 'statistics'), gradients: from('slab') + toSlab };
}

/** Null where nobody counts. `bound`: of each session that is there. */
export function measureDevice(
  device: Pick<NativeDevice, 'memory' | 'allocatorStatistics'>,
  kind: 'cpu' | 'webgpu' | 'cuda',
  bound: readonly Bound[],
): MemorySample | null {
  if (kind === 'cpu') return device.memory();
  const { InUse: inUse, MaxInUse: peak } = device.allocatorStatistics();
  if (inUse === undefined || peak === undefined || peak === 0) return null;
  const [weights, gradients] = [sum(bound, 'weights'), sum(bound, 'gradients')];
  return {
    residentBytes: inUse,
    peakResidentBytes: peak,
    sharedBytes: 0,
    valuesBytes: weights,
    gradientsBytes: gradients,
    optimizerBytes: 0,
    arenaPeakBytes: Math.max(0, peak - weights - gradients),
  };
}

const sum = (bound: readonly Bound[], key: keyof Bound) => bound.reduce((total, each) => total + each[key], 0);
