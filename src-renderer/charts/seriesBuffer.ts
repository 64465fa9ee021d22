// Columns of numbers over steps, in typed arrays of fixed capacity, for runs of any length.
//
// When the buffer is full, every other row of it is dropped, so the whole run stays visible in constant memory and the newest rows are
// raw. Missing values are NaN. Rows are in ascending order of step: rows from an earlier step on (a resumed run) replace what follows it.

export class SeriesBuffer {
  readonly steps: Float64Array;
  readonly columns: readonly Float32Array[];
  length = 0;

  constructor(
    readonly width: number,
    readonly capacity = 16384,
  ) {
    this.steps = new Float64Array(capacity);
    this.columns = Array.from({ length: width }, () => new Float32Array(capacity));
  }

  get lastStep(): number {
    return this.length === 0 ? 0 : this.steps[this.length - 1]!;
  }

  append(step: number, value: (column: number) => number | null | undefined): void {
    if (step <= this.lastStep) this.length = lowerBound(this.steps, this.length, step);
    if (this.length === this.capacity) this.thin();
    this.steps[this.length] = step;
    for (let column = 0; column < this.width; column++) this.columns[column]![this.length] = value(column) ?? NaN;
    this.length++;
  }

  /** Value of a column in the last row; NaN where there is none. */
  last(column: number): number {
    return this.length === 0 ? NaN : this.columns[column]![this.length - 1]!;
  }

  /** Mean of the finite values of a column in the last `rows` rows; NaN where there is none. */
  recentMean(column: number, rows: number): number {
    let sum = 0;
    let count = 0;
    for (let row = Math.max(0, this.length - rows); row < this.length; row++) {
      const value = this.columns[column]![row]!;
      if (!Number.isFinite(value)) continue;
      sum += value;
      count++;
    }
    return count === 0 ? NaN : sum / count;
  }

  private thin(): void {
    const kept = this.length >> 1;
    for (const column of [this.steps, ...this.columns])
      for (let row = 0; row < kept; row++) column[row] = column[2 * row + 1]!;
    this.length = kept;
  }
}

/** First row of the ascending `values[0..length)` that is not below `target`. */
export function lowerBound(values: ArrayLike<number>, length: number, target: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
