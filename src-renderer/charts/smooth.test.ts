import { expect, test } from 'vitest';
import { mean } from '../../src-main/contract/series.ts';
import { mergeRows, smooth } from './smooth.ts';

test('weight 0 returns the values', () => {
  expect([...smooth([3, 1, 2], 3, 0)]).toEqual([3, 1, 2]);
});

test('the first value is not pulled towards zero', () => {
  // weight 0.5: 4, then (0.25*4 + 0.5*8) / 0.75 = 20/3
  const [first, second] = smooth([4, 8], 2, 0.5);
  expect(first).toBe(4);
  expect(second).toBeCloseTo(20 / 3, 12);
});

test('a value that is not finite stays visible and does not spoil those after it', () => {
  const result = smooth([2, NaN, Infinity, 2], 4, 0.9);
  expect([...result]).toEqual([2, NaN, Infinity, expect.closeTo(2, 12)]);
});

test('a constant stays constant under any weight', () => {
  for (const weight of [0.1, 0.9, 0.99]) expect(smooth([7, 7, 7, 7], 4, weight)[3]).toBeCloseTo(7, 10);
});

test('the mean over workers is not finite where one of them is not', () => {
  expect([
    ...mergeRows(
      [
        [1, 2],
        [3, NaN],
      ],
      2,
      mean,
    ),
  ]).toEqual([2, NaN]);
});
