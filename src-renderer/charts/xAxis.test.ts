import { expect, test } from 'vitest';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { detailOf } from '../stores/testApp.ts';
import { RunSeries } from './runSeries.ts';
import { withRoom, xAxis } from './xAxis.ts';

const columns = columnsOf(0, [
  [3, 2, 1],
  [3, 2, 1],
]);
const worker = { worker: 0, device: 'cpu:0', parameters: 10, flopsPerSample: 7, activationBytes: 0 };
const plan = { ...detailOf('r', columns).plan!, workers: [worker, { ...worker, parameters: 5 }] };
const series = new RunSeries(2);
series.append({ ...columns, elapsedMs: [1000, 2000, 4000] });

test.each([
  ['step', [1, 2, 3], '3'],
  ['samples', [128, 256, 384], '384'],
  ['flops', [14 * 64, 28 * 64, 42 * 64], '2.69\u00a0k'],
  ['bytes', [120, 240, 360], '360\u00a0B'],
  ['time', [1, 2, 4], '4.0\u00a0s'],
] as const)('over %s', (choice, expected, text) => {
  const axis = xAxis(choice, plan);
  expect([...axis.values(series).subarray(0, series.length)]).toEqual(expected);
  expect([axis.ofStep(3, series), axis.format(axis.ofStep(3, series))]).toEqual([expected[2], text]);
});

test('a run without a plan is drawn by step', () => {
  const axis = xAxis('flops', null);
  expect([axis.ofStep(2000, series), axis.format(2000)]).toEqual([2000, '2,000']);
});

test('room beyond a value is at most a thirty-second of it and stays for a while', () => {
  expect([0, 0.3, 10, 1000, 1001, 1023].map(withRoom)).toEqual([0, 0.3046875, 10, 1008, 1008, 1024]);
});
