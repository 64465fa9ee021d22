import { expect, test } from 'vitest';
import { stepNames } from '../../src-main/contract/series.ts';
import { columnsIn, stepValue } from '../../src-main/contract/steps.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { RunSeries } from './runSeries.ts';

/** `first` is the index of the first step. */
function batch(first: number, losses: (number | null)[][]) {
  const each = (value: number) => Array<number>(losses[0]!.length).fill(value);
  return columnsOf(first, losses, {
    gradNorm: each(3),
    learningRate: each(0.1),
    computeMs: [each(10), each(20)],
    syncMs: [each(11), each(1)],
    dataMs: [each(0.5), each(0.25)],
    stepMs: each(22),
  });
}

test('keeps losses by worker and means of the newest steps', () => {
  const series = new RunSeries(2);
  series.append(
    batch(1, [
      [4, 2],
      [3, 1],
    ]),
  );
  expect(series.ofWorkers('loss').map((column) => [...column.subarray(0, series.length)])).toEqual([
    [4, 2],
    [3, 1],
  ]);
  expect((['computeMs', 'syncMs', 'dataMs'] as const).map((name) => series.recentMean(name, 1))).toEqual([20, 1, 0.25]);
  expect([series.recentMean('stepMs'), series.newest('gradNorm'), series.newest('learningRate')]).toEqual([
    22,
    3,
    expect.closeTo(0.1, 6),
  ]);
  expect([series.newest('loss'), [...series.elapsedMs.subarray(0, 2)]]).toEqual([1.5, [2, 3]]);
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
  expect(series.column('loss')[1]).toBeNaN();
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

test.each(stepNames)('%s has columns of its own, and one curve', (name) => {
  const series = new RunSeries(3);
  const columns = columnsOf(0, [[7], [8], [9]]);
  series.append(columns);
  const own = columnsIn(columns).filter((column) => column.name === name);
  expect(own.map(({ values }) => values)).toEqual(
    own.map(({ worker }) => [...series.column(name, worker ?? 0).subarray(0, series.length)]),
  );
  expect([series.newest(name), series.merged(name)[0]]).toEqual([
    stepValue(columns, name, 0),
    stepValue(columns, name, 0),
  ]);
});
