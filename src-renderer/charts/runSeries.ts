// The step records of one run: the series of contract/series.ts, and where a loss was not finite. Fed with batches of columns, in order of step.
// Records carry the index of a step, from 0; here and on the screen a step is counted as done, from 1, like evaluations and checkpoints.

import { isPerWorker, stepSeries, type StepSeries, type WorkerSeries } from '../../src-main/contract/series.ts';
import { columnsIn, emptyColumns, type StepColumns } from '../../src-main/contract/steps.ts';
import { SeriesBuffer } from './seriesBuffer.ts';
import { mergeRows } from './smooth.ts';

/** A loss that was not finite; `step` counts from 1. */
export interface NonFinite {
  step: number;
  worker: number;
}

const maxMarks = 10_000;

export class RunSeries {
  /** Columns of the series in the table's order, then that of the elapsed time. */
  readonly buffer: SeriesBuffer;
  /** In order of step; the first ten thousand. */
  nonFinite: NonFinite[] = [];
  /** Index of the first column of a series; those of further workers follow. */
  private readonly first = new Map<StepSeries, number>();

  constructor(
    readonly numWorkers: number,
    capacity?: number,
  ) {
    const columns = columnsIn(emptyColumns(numWorkers));
    columns.forEach(({ name, worker }, index) => worker || this.first.set(name, index));
    this.buffer = new SeriesBuffer(columns.length + 1, capacity);
  }

  append(batch: StepColumns): void {
    const first = batch.step[0];
    if (first !== undefined && first < this.buffer.lastStep)
      this.nonFinite = this.nonFinite.filter(({ step }) => step <= first);
    const columns = [...columnsIn(batch).map(({ values }) => values), batch.elapsedMs];
    batch.step.forEach((index, row) => {
      this.buffer.append(index + 1, (column) => columns[column]![row]);
      this.mark(batch, index + 1, row);
    });
  }

  get length(): number {
    return this.buffer.length;
  }

  get steps(): Float64Array {
    return this.buffer.steps;
  }

  /** Milliseconds of training up to the end of each step. */
  get elapsedMs(): Float32Array {
    return this.buffer.columns.at(-1)!;
  }

  /** Columns here and below have `length` valid rows; NaN: not finite. `worker`: of a series that each worker has. */
  column(name: StepSeries, worker = 0): Float32Array {
    return this.buffer.columns[this.indexOf(name, worker)]!;
  }

  ofWorkers(name: WorkerSeries): Float32Array[] {
    return Array.from({ length: this.numWorkers }, (_, worker) => this.column(name, worker));
  }

  /** One curve: workers that each have one are merged. */
  merged(name: StepSeries): ArrayLike<number> {
    return isPerWorker(name) ? mergeRows(this.ofWorkers(name), this.length, stepSeries[name].merge) : this.column(name);
  }

  /** The same in the last row; NaN where there is none. */
  newest(name: StepSeries): number {
    if (!isPerWorker(name)) return this.buffer.last(this.indexOf(name));
    const values = this.ofWorkers(name).map((_, worker) => this.buffer.last(this.indexOf(name, worker)));
    return stepSeries[name].merge(values);
  }

  /** Mean over the newest steps; NaN before the first. */
  recentMean(name: StepSeries, worker = 0, rows = 20): number {
    return this.buffer.recentMean(this.indexOf(name, worker), rows);
  }

  private indexOf(name: StepSeries, worker = 0): number {
    return this.first.get(name)! + worker;
  }

  private mark(batch: StepColumns, step: number, row: number): void {
    for (let worker = 0; worker < this.numWorkers && this.nonFinite.length < maxMarks; worker++)
      if (!Number.isFinite(batch.loss[worker]?.[row] ?? NaN)) this.nonFinite.push({ step, worker });
  }
}
