import { expect, test } from 'vitest';
import { decimate, visibleRows } from './decimate.ts';

test('few rows are copied as they are, and values that are not finite become gaps', () => {
  expect(decimate([1, 2, 3, 4], [[5, NaN, Infinity, 8]], 1, 4, 10)).toEqual({
    x: [2, 3, 4],
    series: [[null, null, 8]],
  });
});

test('a bucket keeps its smallest and largest value in the order in which they came', () => {
  const x = [0, 1, 2, 3, 4, 5, 6, 7];
  expect(decimate(x, [[1, 9, 0, 2, 7, 3, 1, 2]], 0, 8, 2)).toEqual({ x: [0, 3, 4, 7], series: [[9, 0, 7, 1]] });
});

test('a bucket without a finite value is a gap', () => {
  expect(decimate([0, 1, 2, 3, 4, 5], [[NaN, NaN, NaN, 1, 2, 3]], 0, 6, 2).series).toEqual([[null, null, 1, 3]]);
});

test('of smoothed series, the values at both ends of a bucket are kept', () => {
  const x = [0, 1, 2, 3, 4, 5];
  expect(decimate(x, [[9, 1, 2, 3, 4, 8]], 0, 6, 2, [[1, 7, 2, NaN, 0, 5]]).series).toEqual([
    [9, 1, 3, 8],
    [1, 2, null, 5],
  ]);
});

test('one spike among a hundred thousand rows survives, in twice as many rows as buckets', () => {
  const length = 100_000;
  const x = Float64Array.from({ length }, (_, row) => row);
  const y = new Float32Array(length);
  y[54_321] = 1000;
  const { x: steps, series } = decimate(x, [y], 0, length, 800);
  expect(steps).toHaveLength(1600);
  expect(Math.max(...series[0]!.map(Number))).toBe(1000);
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
});

test('the visible rows reach one beyond either edge', () => {
  const x = [0, 10, 20, 30, 40, 50];
  expect(visibleRows(x, 6, 15, 35)).toEqual([1, 6]);
  expect(visibleRows(x, 6, 0, 50)).toEqual([0, 6]);
  expect(visibleRows(x, 0, 0, 50)).toEqual([0, 0]);
});
