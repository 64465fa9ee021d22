import { expect, test } from 'vitest';
import type { StepColumns } from '../../src-main/contract/run.ts';
import { RunSeries } from './runSeries.ts';

/** `first` is the index of the first step. */
function batch(first: number, losses: (number | null)[][]): StepColumns {
  const rows = losses[0]!.length;
  const each = (value: number) => Array<number>(rows).fill(value);
  return {
    step: Array.from({ length: rows }, (_, row) => first + row),
    loss: losses,
    gradNorm: each(3),
    learningRate: each(0.1),
    computeMs: [each(10), each(20)],
    syncMs: [each(11), each(1)],
    dataMs: [each(0.5), each(0.25)],
    stepMs: each(22),
    elapsedMs: Array.from({ length: rows }, (_, row) => 22 * (first + row + 1)),
  };
}

test('keeps losses by worker and means of the newest steps', () => {
  const series = new RunSeries(2);
  series.append(
    batch(1, [
      [4, 2],
      [3, 1],
    ]),
  );
  expect(series.losses().map((column) => [...column.subarray(0, series.length)])).toEqual([
    [4, 2],
    [3, 1],
  ]);
  expect(series.recentPhases(1)).toEqual({ computeMs: 20, syncMs: 1, dataMs: 0.25 });
  expect([series.recentStepMs(), series.lastGradNorm(), series.lastLearningRate()]).toEqual([
    22,
    3,
    expect.closeTo(0.1, 6),
  ]);
});

test('a loss that is not finite is marked with its step, counted from 1, and worker', () => {
  const series = new RunSeries(2);
  series.append(
    batch(7, [
      [1, null],
      [null, null],
    ]),
  );
  expect(series.nonFinite).toEqual([
    { step: 8, worker: 1 },
    { step: 9, worker: 0 },
    { step: 9, worker: 1 },
  ]);
  expect(series.loss(0)[1]).toBeNaN();
});

test('a resumed run drops the marks of the steps that it does again', () => {
  const series = new RunSeries(2);
  series.append(
    batch(1, [
      [1, null],
      [1, 1],
    ]),
  );
  series.append(batch(2, [[1], [1]]));
  expect(series.nonFinite).toEqual([]);
  expect(series.length).toBe(2);
});
