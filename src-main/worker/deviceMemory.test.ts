import { expect, test } from 'vitest';
import { boundBytes, measureDevice } from './deviceMemory.ts';

const host = {
  residentBytes: 1,
  peakResidentBytes: 2,
  sharedBytes: 3,
  valuesBytes: 4,
  gradientsBytes: 5,
  optimizerBytes: 6,
  arenaPeakBytes: 7,
};
const device = (statistics: Record<string, number>) => ({ memory: () => host, allocatorStatistics: () => statistics });
const bound = [
  { weights: 100, gradients: 50 },
  { weights: 100, gradients: 50 },
];

test('a CPU device is measured by its process', () => {
  expect(measureDevice(device({}), 'cpu', bound)).toBe(host);
});

test('a card is measured by what the runtime counts of its memory, and not where nothing is counted', () => {
  expect(measureDevice(device({ InUse: 500, MaxInUse: 1000 }), 'cuda', bound)).toEqual({
    residentBytes: 500,
    peakResidentBytes: 1000,
    sharedBytes: 0,
    valuesBytes: 200,
    gradientsBytes: 100,
    optimizerBytes: 0,
    arenaPeakBytes: 700,
  });
  expect(measureDevice(device({}), 'webgpu', bound)).toBeNull();
  expect(measureDevice(device({ InUse: 0, MaxInUse: 0, NumAllocs: 9 }), 'webgpu', bound)).toBeNull();
});

test('bound of the store are values and statistics that are read, and slabs that are read or written', () => {
  const inputs = [
    { port: 'input', shape: [7], source: 'input' as const },
    { port: 'w', shape: [2, 3], source: 'values' as const },
    { port: 'm', shape: [4], source: 'statistics' as const },
    { port: 'sum', shape: [5], source: 'slab' as const },
  ];
  const outputs = [
    { port: 'grad', shape: [2, 3], target: 'slab' as const },
    { port: 'loss', shape: [], target: 'loss' as const },
  ];
  expect(boundBytes({ inputs, outputs })).toEqual({ weights: 40, gradients: 44 });
});
