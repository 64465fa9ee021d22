import { expect, it } from 'vitest';
import { measuredNames, type MeasuredSeries } from '../contract/series.ts';
import type { DeviceRecords } from '../contract/steps.ts';
import { StepMerger } from './stepMerger.ts';

const records = (rows: [step: number, worker: number, loss: number][], syncMs = 1): DeviceRecords => ({
  ...(Object.fromEntries(measuredNames.map((name) => [name, rows.map(() => 0)])) as Record<MeasuredSeries, number[]>),
  step: rows.map(([step]) => step),
  worker: rows.map(([, worker]) => worker),
  loss: rows.map(([, , loss]) => loss),
  gradNorm: rows.map(() => 2),
  computeMs: rows.map(([, worker]) => 10 * (worker + 1)),
  syncMs: rows.map(() => syncMs),
  dataMs: rows.map(() => 0.5),
});

it('gives a row once every worker has reported the step, in order', () => {
  const merger = new StepMerger([[0, 1], [2]], (step) => step / 10, 3, 100);
  merger.add(
    records(
      [
        [3, 2, 0.3],
        [4, 2, 0.4],
      ],
      7,
    ),
  );
  expect(merger.take().step).toEqual([]);
  merger.add(
    records([
      [3, 0, 0.1],
      [3, 1, 0.2],
      [4, 0, 0.5],
    ]),
  );
  // Whatever else is in the table: series.test.ts.
  expect(merger.take()).toMatchObject({
    step: [3],
    loss: [[0.1], [0.2], [0.3]],
    gradNorm: [2],
    learningRate: [0.3],
    computeMs: [[10], [20], [30]],
    syncMs: [[1], [1], [7]],
    dataMs: [[0.5], [0.5], [0.5]],
    stepMs: [37.5],
    elapsedMs: [137.5],
  });
  merger.add(records([[4, 1, NaN]]));
  expect(merger.take()).toMatchObject({ step: [4], loss: [[0.5], [null], [0.4]] });
});

it('tells the losses and the norm of a step that a lost device has not reported, and forgets one that is not done', () => {
  const merger = new StepMerger([[0], [1]], () => 0.1, 5);
  merger.add(
    records([
      [5, 0, 0.1],
      [5, 1, 0.2],
      [6, 0, 0.3],
      [7, 0, 9],
    ]),
  );
  expect(merger.firstMissing).toBe(6);
  merger.resume(7, [1.5, 0.3, 0.4], [[0, 1]]);
  expect(merger.take()).toMatchObject({
    step: [5, 6],
    loss: [
      [0.1, 0.3],
      [0.2, 0.4],
    ],
    gradNorm: [2, 1.5],
    computeMs: [
      [10, null],
      [20, null],
    ],
    stepMs: [21.5, null],
    elapsedMs: [21.5, 21.5],
  });
  merger.add(
    records([
      [7, 0, 0.5],
      [7, 1, 0.6],
    ]),
  );
  expect(merger.take()).toMatchObject({ step: [7], loss: [[0.5], [0.6]], stepMs: [32] });
});
