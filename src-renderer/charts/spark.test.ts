import { expect, test } from 'vitest';
import { sparkPath } from './spark.ts';

test('a curve fills the box as far as the run has come', () => {
  expect(sparkPath({ every: 10, means: [3, 2, 1] }, 60, 60, 20)).toBe('M5.0 0.0L15.0 10.0L25.0 20.0h0.1');
});

test('a gap where the loss was not finite, and nothing without losses', () => {
  expect(sparkPath({ every: 1, means: [2, null, 2] }, 3, 3, 2)).toBe('M0.5 1.0h0.1M2.5 1.0h0.1');
  expect(sparkPath({ every: 1, means: [] }, 3, 3, 2)).toBe('');
});
