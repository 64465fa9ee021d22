import { expect, it } from 'vitest';
import { evenOut } from './evenOut.ts';

const device = (index: number, workers: number[], capacityBytes: number, kind: 'cpu' | 'cuda' = 'cpu') => ({
  id: `${kind}:${index}`,
  kind,
  workers,
  capacityBytes,
  isCounted: false,
});
type Device = ReturnType<typeof device>;
/** One for the process, and one for each worker. */
const predict = (devices: Device[]) => devices.map(({ workers }) => 1 + workers.length);
const placed = (devices: Device[]) => evenOut(devices, predict).map(({ workers }) => workers);

it('leaves what fits as it is', () => {
  expect(placed([device(0, [0, 1], 3), device(1, [2, 3], 9)])).toEqual([
    [0, 1],
    [2, 3],
  ]);
});

it('moves workers to where there is most room', () => {
  expect(placed([device(0, [0, 1], 2.5), device(1, [2, 3], 9)])).toEqual([[0], [1, 2, 3]]);
  expect(placed([device(0, [0, 1, 2], 2.5), device(1, [3], 3.5), device(2, [4], 9)])).toEqual([[0], [3], [1, 2, 4]]);
});

it('changes nothing where that does not make everything fit', () => {
  expect(placed([device(0, [0, 1], 2.5), device(1, [2, 3], 3)])).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(placed([device(0, [0], 1.5), device(1, [1], 9)])).toEqual([[0], [1]]);
  expect(placed([device(0, [0, 1], 1.5), device(1, [2], 9)])).toEqual([[0, 1], [2]]);
});

it('moves no worker where the configuration says how many a device has', () => {
  const counted = { ...device(0, [0, 1], 2.5), isCounted: true };
  expect(placed([counted, device(1, [2, 3], 9)])).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(placed([device(0, [0, 1], 2.5), { ...device(1, [2, 3], 9), isCounted: true }])).toEqual([
    [0, 1],
    [2, 3],
  ]);
});

it('moves no worker to another kind of device', () => {
  expect(placed([device(0, [0, 1], 2.5), device(0, [2, 3], 9, 'cuda')])).toEqual([
    [0, 1],
    [2, 3],
  ]);
});
