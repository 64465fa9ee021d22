// The step records of one run: losses and times by worker, and where a loss was not finite. Fed with batches of columns, in order of step.
// Records carry the index of a step, from 0; here and on the screen a step is counted as done, from 1, like evaluations and checkpoints.

import type { StepColumns } from '../../src-main/contract/run.ts';
import { SeriesBuffer } from './seriesBuffer.ts';

/** A loss that was not finite; `step` counts from 1. */
export interface NonFinite {
  step: number;
  worker: number;
}

const maxMarks = 10_000;

export class RunSeries {
  readonly buffer: SeriesBuffer;
  /** In order of step; the first ten thousand. */
  nonFinite: NonFinite[] = [];

  constructor(
    readonly numWorkers: number,
    capacity?: number,
  ) {
    this.buffer = new SeriesBuffer(4 * numWorkers + 4, capacity);
  }

  append(batch: StepColumns): void {
    const first = batch.step[0];
    if (first !== undefined && first < this.buffer.lastStep)
      this.nonFinite = this.nonFinite.filter(({ step }) => step <= first);
    batch.step.forEach((index, row) => this.appendRow(batch, index + 1, row));
  }

  get length(): number {
    return this.buffer.length;
  }

  get steps(): Float64Array {
    return this.buffer.steps;
  }

  /** Columns below have `length` valid rows; loss is NaN where it was not finite. */
  loss(worker: number): Float32Array {
    return this.buffer.columns[worker]!;
  }

  losses(): Float32Array[] {
    return Array.from({ length: this.numWorkers }, (_, worker) => this.loss(worker));
  }

  /** Mean wall-clock milliseconds of the newest steps; NaN before the first. */
  recentStepMs(rows = 20): number {
    return this.buffer.recentMean(4 * this.numWorkers + 2, rows);
  }

  gradNorm(): Float32Array {
    return this.buffer.columns[4 * this.numWorkers]!;
  }

  learningRate(): Float32Array {
    return this.buffer.columns[4 * this.numWorkers + 1]!;
  }

  stepMs(): Float32Array {
    return this.buffer.columns[4 * this.numWorkers + 2]!;
  }

  /** Milliseconds of training up to the end of each step. */
  elapsedMs(): Float32Array {
    return this.buffer.columns[4 * this.numWorkers + 3]!;
  }

  lastGradNorm(): number {
    return this.buffer.last(4 * this.numWorkers);
  }

  lastLearningRate(): number {
    return this.buffer.last(4 * this.numWorkers + 1);
  }

  /** Mean milliseconds of the newest steps by phase, for one worker. */
  recentPhases(worker: number, rows = 20): { computeMs: number; syncMs: number; dataMs: number } {
    const mean = (phase: number) => this.buffer.recentMean(phase * this.numWorkers + worker, rows);
    return { computeMs: mean(1), syncMs: mean(2), dataMs: mean(3) };
  }

  private appendRow(batch: StepColumns, step: number, row: number): void {
    const n = this.numWorkers;
    const byWorker = [batch.loss, batch.computeMs, batch.syncMs, batch.dataMs];
    const byStep = [batch.gradNorm, batch.learningRate, batch.stepMs, batch.elapsedMs];
    this.buffer.append(step, (column) =>
      column < 4 * n ? byWorker[Math.floor(column / n)]![column % n]?.[row] : byStep[column - 4 * n]![row],
    );
    for (let worker = 0; worker < n && this.nonFinite.length < maxMarks; worker++)
      if (!Number.isFinite(batch.loss[worker]?.[row] ?? NaN)) this.nonFinite.push({ step, worker });
  }
}
