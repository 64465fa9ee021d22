// Puts the step records of several device processes together: a row per step, once all workers have reported it.
//
// Steps come out in order. A value that is not finite becomes null (JSON has no NaN). The wall-clock time of a step is that of the
// slowest device: compute and data waits of its workers, which run in turn, plus its share of waiting, averaging and updating.

import {
  isMeasured,
  measuredNames,
  stepSeries,
  type ComputedSeries,
  type MeasuredSeries,
  type StepSeries,
} from '../contract/series.ts';
import { columnsIn, emptyColumns, type DeviceRecords, type StepColumns } from '../contract/steps.ts';

/** Values of the workers in one step. */
interface Row {
  step: number;
  reported: number;
  /** Who ran it. */
  workersOfDevices: readonly (readonly number[])[];
  measured: Record<MeasuredSeries, number[]>;
}

export class StepMerger {
  private readonly rows = new Map<number, Row>();
  private readonly numWorkers: number;

  private readonly computed: Record<ComputedSeries, (row: Row) => number> = {
    learningRate: ({ step }) => this.learningRate(step),
    stepMs: (row) => Math.max(...row.workersOfDevices.map((workers) => deviceMs(row, workers))),
  };

  constructor(
    private workersOfDevices: readonly (readonly number[])[],
    private readonly learningRate: (step: number) => number,
    private nextStep: number,
    /** Of the steps before. */
    private elapsedMs = 0,
  ) {
    this.numWorkers = workersOfDevices.flat().length;
  }

  add(records: DeviceRecords): void {
    records.step.forEach((step, index) => {
      const row = this.rows.get(step) ?? this.emptyRow(step);
      row.reported += 1;
      for (const name of measuredNames) row.measured[name][records.worker[index]!] = records[name][index]!;
    });
  }

  /** First step that some worker has not reported. */
  get firstMissing(): number {
    let step = this.nextStep;
    while (this.rows.get(step)?.reported === this.numWorkers) step += 1;
    return step;
  }

  /**
   * Steps up to `to` are done, though a device that was lost has not reported them; their times are not known. `notes`: row-major
   * [steps from firstMissing on, 1 + 2 * workers], norm of the gradient, losses and checksums of samples. From now on the devices have these workers.
   */
  resume(to: number, notes: ArrayLike<number>, workersOfDevices: readonly (readonly number[])[]): void {
    const from = this.firstMissing;
    for (let step = from; step < to; step++) {
      const row = this.emptyRow(step);
      const of = (at: number) => notes[(step - from) * (1 + 2 * this.numWorkers) + at]!;
      row.reported = this.numWorkers;
      for (const name of measuredNames) row.measured[name].fill(NaN);
      row.measured.gradNorm.fill(of(0));
      row.measured.loss = row.measured.loss.map((_, worker) => of(1 + worker));
      row.measured.samples = row.measured.samples.map((_, worker) => of(1 + this.numWorkers + worker));
    }
    for (const step of this.rows.keys()) if (step >= to) this.rows.delete(step);
    this.workersOfDevices = workersOfDevices;
  }

  /** Complete steps since the last call; no rows where there are none. */
  take(): StepColumns {
    const columns = emptyColumns(this.numWorkers);
    for (
      let row = this.rows.get(this.nextStep);
      row?.reported === this.numWorkers;
      row = this.rows.get(this.nextStep)
    ) {
      this.append(columns, row);
      this.rows.delete(this.nextStep);
      this.nextStep += 1;
    }
    return columns;
  }

  private append(columns: StepColumns, row: Row): void {
    columns.step.push(row.step);
    for (const { name, worker, values } of columnsIn(columns)) values.push(finite(this.valueOf(row, name, worker)));
    this.elapsedMs += columns.stepMs.at(-1)!;
    columns.elapsedMs.push(this.elapsedMs);
  }

  private valueOf(row: Row, name: StepSeries, worker: number | null): number {
    if (!isMeasured(name)) return this.computed[name](row);
    const values = row.measured[name];
    return worker === null ? stepSeries[name].merge(values) : values[worker]!;
  }

  private emptyRow(step: number): Row {
    const ofWorkers = measuredNames.map((name) => [name, new Array<number>(this.numWorkers).fill(0)]);
    const measured = Object.fromEntries(ofWorkers) as Row['measured'];
    const row = { step, reported: 0, workersOfDevices: this.workersOfDevices, measured };
    this.rows.set(step, row);
    return row;
  }
}

function deviceMs({ measured }: Row, workers: readonly number[]): number {
  const { computeMs, dataMs, syncMs } = measured;
  const inTurn = workers.reduce((sum, worker) => sum + computeMs[worker]! + dataMs[worker]!, 0);
  return inTurn + (syncMs[workers[0]!] ?? 0);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
