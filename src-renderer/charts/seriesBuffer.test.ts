import { expect, test } from 'vitest';
import { lowerBound, SeriesBuffer } from './seriesBuffer.ts';

function filled(capacity: number, steps: number): SeriesBuffer {
  const buffer = new SeriesBuffer(1, capacity);
  for (let step = 1; step <= steps; step++) buffer.append(step, () => step * 10);
  return buffer;
}

function rows(buffer: SeriesBuffer): number[] {
  return Array.from(buffer.steps.subarray(0, buffer.length));
}

test('keeps the whole run in fixed capacity by dropping every other row when full', () => {
  const buffer = filled(8, 10);
  expect(rows(buffer)).toEqual([2, 4, 6, 8, 9, 10]);
  expect(buffer.last(0)).toBe(100);
});

test('a million steps stay within capacity and keep the newest row', () => {
  const buffer = filled(64, 1_000_000);
  expect(buffer.length).toBeLessThanOrEqual(64);
  expect(buffer.lastStep).toBe(1_000_000);
  expect(rows(buffer)).toEqual([...rows(buffer)].sort((a, b) => a - b));
});

test('rows of a resumed run replace those that follow its first step', () => {
  const buffer = filled(16, 6);
  buffer.append(4, () => 1);
  expect(rows(buffer)).toEqual([1, 2, 3, 4]);
  expect(buffer.last(0)).toBe(1);
});

test('a missing value is NaN and left out of the recent mean', () => {
  const buffer = new SeriesBuffer(2, 4);
  buffer.append(1, (column) => (column === 0 ? 2 : null));
  buffer.append(2, () => 4);
  expect(buffer.recentMean(0, 2)).toBe(3);
  expect(buffer.recentMean(1, 2)).toBe(4);
  expect(new SeriesBuffer(1).recentMean(0, 5)).toBeNaN();
  expect(new SeriesBuffer(1).last(0)).toBeNaN();
});

test('lowerBound finds the first row that is not below the target', () => {
  expect([0, 1, 2, 3, 9].map((target) => lowerBound([1, 2, 2, 5, 0], 4, target))).toEqual([0, 0, 1, 3, 4]);
});
