// Min/max decimation for drawing: at most two rows per bucket and, in each series, the bucket's smallest and largest finite value in the
// order in which they came, so that no spike is lost. Smoothed series have none: of them, the values at the bucket's two ends, which makes
// lines that are quick to draw. Values that are not finite become gaps (null).

import { lowerBound } from './seriesBuffer.ts';

/** Of a plot's width: a line from peak to peak is as dense as the eye can follow. */
export const pxPerBucket = 3;

export interface Decimated {
  x: number[];
  series: (number | null)[][];
}

/** Rows [from, to) of ascending `x`; `series` and then `smoothed` are columns beside it. */
export function decimate(
  x: ArrayLike<number>,
  series: readonly ArrayLike<number>[],
  from: number,
  to: number,
  buckets: number,
  smoothed: readonly ArrayLike<number>[] = [],
): Decimated {
  const rows = to - from;
  const all = [...series, ...smoothed];
  if (rows <= 2 * buckets) return copy(x, all, from, to);
  const result: Decimated = { x: [], series: all.map(() => []) };
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = from + Math.floor((bucket * rows) / buckets);
    const end = from + Math.floor(((bucket + 1) * rows) / buckets);
    result.x.push(x[start]!, x[end - 1]!);
    all.forEach((values, index) => {
      const pair =
        index < series.length ? extremes(values, start, end) : [finite(values[start]!), finite(values[end - 1]!)];
      result.series[index]!.push(...pair);
    });
  }
  return result;
}

function copy(x: ArrayLike<number>, series: readonly ArrayLike<number>[], from: number, to: number): Decimated {
  const slice = <T>(value: (row: number) => T) => Array.from({ length: to - from }, (_, row) => value(from + row));
  return {
    x: slice((row) => x[row]!),
    series: series.map((values) => slice((row) => finite(values[row]!))),
  };
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);

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
