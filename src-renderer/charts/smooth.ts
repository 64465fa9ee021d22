// Exponential moving average for display, with the bias of its start removed. Values that are not finite are skipped and stay as they are.

import type { Merge } from '../../src-main/contract/series.ts';

/** `weight` in [0, 1): share of the old average in the new one; 0 returns the values themselves. */
export function smooth(values: ArrayLike<number>, length: number, weight: number): Float64Array {
  const result = new Float64Array(length);
  let average = 0;
  let total = 0;
  for (let row = 0; row < length; row++) {
    const value = values[row]!;
    if (!Number.isFinite(value)) {
      result[row] = value;
      continue;
    }
    average = weight * average + (1 - weight) * value;
    total = weight * total + (1 - weight);
    result[row] = average / total;
  }
  return result;
}

/** Columns merged row by row. */
export function mergeRows(columns: readonly ArrayLike<number>[], length: number, merge: Merge): Float64Array {
  const result = new Float64Array(length);
  const values = new Float64Array(columns.length);
  for (let row = 0; row < length; row++) {
    columns.forEach((column, index) => (values[index] = column[row]!));
    result[row] = merge(values);
  }
  return result;
}
