// Whatever is in the tables of series goes the whole way: from the records of devices to the log, TensorBoard, and back out of the log.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  evaluationNames,
  evaluationSeries,
  isMeasured,
  isPerWorker,
  measuredNames,
  stepNames,
  stepSeries,
  type EvaluationSeries,
  type MeasuredSeries,
} from '../contract/series.ts';
import { evaluationRecord, type EvaluationRecord } from '../contract/run.ts';
import { deviceRecords, stepColumns, stepValue, type DeviceRecords, type StepColumns } from '../contract/steps.ts';
import { readEvents } from '../testing/eventFile.ts';
import { MetricsLog } from './metricsLog.ts';
import { readMetrics } from './readMetrics.ts';
import { StepMerger } from './stepMerger.ts';

const [workers, steps] = [
  [0, 1, 2],
  [0, 1],
];

/** Different for any two series, workers and steps. */
const reported = (name: MeasuredSeries, worker: number, step: number) =>
  100 * (measuredNames.indexOf(name) + 1) + 10 * worker + step + 0.5;

function recordsOf(workersOfDevice: number[]): DeviceRecords {
  const rows = steps.flatMap((step) => workersOfDevice.map((worker) => ({ step, worker })));
  const measured = measuredNames.map((name) => [name, rows.map(({ step, worker }) => reported(name, worker, step))]);
  const records = {
    step: rows.map(({ step }) => step),
    worker: rows.map(({ worker }) => worker),
    ...Object.fromEntries(measured),
  } as DeviceRecords;
  return deviceRecords.strict().parse(records);
}

const evaluation = evaluationRecord.parse({
  ...{ step: 2, samples: 10, seconds: 1 },
  ...Object.fromEntries(evaluationNames.map((name, index) => [name, index + 0.25])),
});

let folder: string;
let columns: StepColumns;
let read: { columns: StepColumns; evaluations: EvaluationRecord[] };
let scalars: Map<string, { step: number; value: number }[]>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-series-'));
  const merger = new StepMerger([[0, 1], [2]], (step) => 1 / (step + 1), 0);
  merger.add(recordsOf([0, 1]));
  merger.add(recordsOf([2]));
  columns = merger.take();
  const path = join(folder, 'metrics.jsonl');
  const log = await MetricsLog.open(folder, path, 0);
  log.appendSteps(columns);
  log.appendEvaluation(evaluation);
  await log.close();
  read = await readMetrics(path, workers.length, 100);
  const events = (await readdir(folder)).find((name) => name.startsWith('events.'))!;
  scalars = new Map();
  for (const { step, scalars: found } of readEvents(await readFile(join(folder, events))))
    for (const [tag, value] of found as [string, number][])
      scalars.set(tag, [...(scalars.get(tag) ?? []), { step, value }]);
});
afterAll(() => rm(folder, { recursive: true }));

it('what was read is what was merged, and of the schema', () => {
  expect(read.columns).toEqual(columns);
  expect(stepColumns.strict().parse(columns)).toEqual(columns);
  expect(read.evaluations).toEqual([evaluation]);
});

it.each(measuredNames)('%s is that of each worker, or merged', (name) => {
  const ofWorkers = workers.map((worker) => steps.map((step) => reported(name, worker, step)));
  const merged = steps.map((step) => stepSeries[name].merge(workers.map((worker) => reported(name, worker, step))));
  expect(columns[name]).toEqual(isPerWorker(name) ? ofWorkers : merged);
});

it.each(stepNames.filter((name) => !isMeasured(name)))('%s is computed', (name) => {
  for (const row of steps) expect(stepValue(columns, name, row)).toBeGreaterThan(0);
});

it('TensorBoard has every series that has a tag, and no other', () => {
  const ofSteps = stepNames.flatMap((name) => {
    const values = steps.map((row) => ({ step: row + 1, value: Math.fround(stepValue(columns, name, row)) }));
    return [[stepSeries[name].tag, values] as const];
  });
  const ofEvaluations = evaluationNames.map(
    (name) => [evaluationSeries[name].tag, [{ step: 2, value: Math.fround(evaluation[name]!) }]] as const,
  );
  const expected = [...ofSteps, ...ofEvaluations].filter(([tag]) => tag !== null);
  expect(Object.fromEntries(scalars)).toEqual(Object.fromEntries(expected));
  expect(scalars.size).toBe(expected.length);
});

it('titles and meanings are there, and no two titles are the same', () => {
  const all = [...Object.values(stepSeries), ...Object.values(evaluationSeries)];
  for (const { title, meaning } of all) expect([title, meaning]).not.toContain('');
  expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
});

it.each(evaluationNames)(
  '%s that is null is not finite in TensorBoard, or left out',
  async (name: EvaluationSeries) => {
    const own = await mkdtemp(join(folder, 'null-'));
    const log = await MetricsLog.open(own, join(own, 'metrics.jsonl'), 0);
    log.appendEvaluation({ ...evaluation, [name]: null });
    await log.close();
    const events = (await readdir(own)).find((file) => file.startsWith('events.'))!;
    const found = readEvents(await readFile(join(own, events))).flatMap((event) => event.scalars);
    const { tag, nulls } = evaluationSeries[name];
    expect(found.filter(([of]) => of === tag)).toEqual(nulls === 'absent' ? [] : [[tag, NaN]]);
  },
);
