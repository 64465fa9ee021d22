// Records of steps, as devices report them and as everyone else has them: columns of the series in series.ts.

import { z } from 'zod';
import {
  isPerWorker,
  measuredNames,
  stepNames,
  stepSeries,
  type MeasuredSeries,
  type StepSeries,
  type StepTable,
} from './series.ts';

const numbers = z.array(z.number());
const values = z.array(z.number().nullable());

/** What devices report of steps, as columns: a row per step and worker. Values may be NaN. */
export type DeviceRecords = Record<'step' | 'worker' | MeasuredSeries, number[]>;

export const deviceRecords = z.object({
  step: numbers,
  worker: numbers,
  ...(Object.fromEntries(measuredNames.map((name) => [name, numbers])) as Record<MeasuredSeries, typeof numbers>),
});

const columnOf = { worker: z.array(values), step: values };
type StepShape = { [N in StepSeries]: (typeof columnOf)[StepTable[N]['per']] };

/** Steps as columns, a row per step. A value is null where it is not finite (JSON has no NaN), or the log is older than the series. */
export const stepColumns = z.object({
  step: numbers.describe('index of the step, from 0; all other records count the steps done'),
  ...(Object.fromEntries(
    stepNames.map((name) => {
      const { per, meaning } = stepSeries[name];
      const place = per === 'worker' ? ', [worker][row]' : '';
      return [name, columnOf[per].describe(`${meaning}${place}`)];
    }),
  ) as StepShape),
  elapsedMs: numbers.describe('milliseconds of training up to the end of the step: the sum of stepMs'),
});
export type StepColumns = z.infer<typeof stepColumns>;

export function emptyColumns(numWorkers: number): StepColumns {
  const columns = stepNames.map((name) => [
    name,
    isPerWorker(name) ? Array.from({ length: numWorkers }, () => []) : [],
  ]);
  return { step: [], ...(Object.fromEntries(columns) as Pick<StepColumns, StepSeries>), elapsedMs: [] };
}

/** A column of one worker, or (null) of the step. */
export interface Column {
  name: StepSeries;
  worker: number | null;
  values: (number | null)[];
}

/** The columns themselves, in the table's order, those of a series of workers one by one. */
export function columnsIn(columns: StepColumns): Column[] {
  return stepNames.flatMap((name): Column[] =>
    isPerWorker(name)
      ? columns[name].map((values, worker) => ({ name, worker, values }))
      : [{ name, worker: null, values: columns[name] }],
  );
}

/** The one value of a series in a row, merged where workers have values of their own; NaN where it is not finite. */
export function stepValue(columns: StepColumns, name: StepSeries, row: number): number {
  if (!isPerWorker(name)) return columns[name][row] ?? NaN;
  return stepSeries[name].merge(columns[name].map((values) => values[row] ?? NaN));
}
