// Arithmetic on row-major arrays for tests: layouts, picks, comparisons.

import type { TestTensor } from './runOnnx.ts';

/** Moves an axis to the front. */
export function axisFirst({ shape, data }: TestTensor, axis: number): TestTensor {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const extent = shape[axis]!;
  const outer = data.length / (inner * extent);
  const moved = new Float64Array(data.length);
  for (let o = 0; o < outer; o++)
    for (let e = 0; e < extent; e++)
      for (let i = 0; i < inner; i++) moved[(e * outer + o) * inner + i] = data[(o * extent + e) * inner + i]!;
  return { shape: [extent, ...shape.filter((_, i) => i !== axis)], data: moved };
}

/** Rows of axis 0. */
export function takeRows({ shape, data }: TestTensor, rows: readonly number[]): TestTensor {
  const size = data.length / shape[0]!;
  const numbers = Array.from(data);
  return {
    shape: [rows.length, ...shape.slice(1)],
    data: rows.flatMap((row) => numbers.slice(row * size, (row + 1) * size)),
  };
}

/** Largest absolute difference over the largest absolute value of `expected`. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers against ${expected.length}`);
  const largest = Math.max(...Array.from(expected, Math.abs), 1e-30);
  const worst = Array.from(actual, (a, i) => Math.abs(a - expected[i]!));
  return worst.some(Number.isNaN) ? NaN : Math.max(...worst, 0) / largest;
}
