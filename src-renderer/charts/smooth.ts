// Exponential moving average for display, with the bias of its start removed. Values that are not finite are skipped and stay as they are.

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

/** Mean over columns by row. A row in which any column is not finite has no finite mean: nothing is averaged away. */
export function rowMean(columns: readonly ArrayLike<number>[], length: number): Float64Array {
  const result = new Float64Array(length);
  for (let row = 0; row < length; row++) {
    let sum = 0;
    for (const column of columns) sum += column[row]!;
    result[row] = sum / columns.length;
  }
  return result;
}
