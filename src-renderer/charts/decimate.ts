// Min/max decimation for drawing: at most two rows per bucket and, in each series, the bucket's smallest and largest finite value in the
// order in which they came, so that no spike is lost. Values that are not finite become gaps (null).

import { lowerBound } from './seriesBuffer.ts';

export interface Decimated {
  x: number[];
  series: (number | null)[][];
}

/** Rows [from, to) of ascending `x`; `series` are columns beside it. */
export function decimate(
  x: ArrayLike<number>,
  series: readonly ArrayLike<number>[],
  from: number,
  to: number,
  buckets: number,
): Decimated {
  const rows = to - from;
  if (rows <= 2 * buckets) return copy(x, series, from, to);
  const result: Decimated = { x: [], series: series.map(() => []) };
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = from + Math.floor((bucket * rows) / buckets);
    const end = from + Math.floor(((bucket + 1) * rows) / buckets);
    result.x.push(x[start]!, x[end - 1]!);
    series.forEach((values, index) => result.series[index]!.push(...extremes(values, start, end)));
  }
  return result;
}

function copy(x: ArrayLike<number>, series: readonly ArrayLike<number>[], from: number, to: number): Decimated {
  const slice = <T>(value: (row: number) => T) => Array.from({ length: to - from }, (_, row) => value(from + row));
  return {
    x: slice((row) => x[row]!),
    series: series.map((values) => slice((row) => (Number.isFinite(values[row]!) ? values[row]! : null))),
  };
}

function extremes(values: ArrayLike<number>, start: number, end: number): [number | null, number | null] {
  let least = -1;
  let most = -1;
  for (let row = start; row < end; row++) {
    const value = values[row]!;
    if (!Number.isFinite(value)) continue;
    if (least < 0 || value < values[least]!) least = row;
    if (most < 0 || value > values[most]!) most = row;
  }
  if (least < 0) return [null, null];
  return least <= most ? [values[least]!, values[most]!] : [values[most]!, values[least]!];
}

/** Rows of `x` within [min, max], with one more on either side so that lines run to the edge of the plot. */
export function visibleRows(x: ArrayLike<number>, length: number, min: number, max: number): [number, number] {
  const from = Math.max(0, lowerBound(x, length, min) - 1);
  const to = Math.min(length, lowerBound(x, length, max) + 2);
  return [from, Math.max(from, to)];
}
