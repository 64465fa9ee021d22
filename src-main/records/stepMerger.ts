// Puts the step records of several device processes together: a row per step, once all workers have reported it.
//
// Steps come out in order. A loss or norm that is not finite becomes null (JSON has no NaN). The wall-clock time of a step is that of the
// slowest device: compute and data waits of its workers, which run in turn, plus its share of waiting, averaging and updating.

import type { StepColumns } from '../contract/run.ts';
import type { StepRecords } from '../native.ts';

interface Row {
  reported: number;
  loss: (number | null)[];
  gradNorm: number | null;
  computeMs: number[];
  syncMs: number[];
  dataMs: number[];
}

export class StepMerger {
  private readonly rows = new Map<number, Row>();

  constructor(
    private readonly workersOfDevices: readonly (readonly number[])[],
    private readonly learningRate: (step: number) => number,
    private nextStep: number,
    /** Of the steps before. */
    private elapsedMs = 0,
  ) {}

  private get numWorkers(): number {
    return this.workersOfDevices.reduce((sum, workers) => sum + workers.length, 0);
  }

  add(records: StepRecords): void {
    records.step.forEach((step, index) => {
      const row = this.rows.get(step) ?? this.emptyRow(step);
      const worker = records.worker[index]!;
      row.reported += 1;
      row.loss[worker] = finite(records.loss[index]!);
      row.gradNorm = finite(records.gradNorm[index]!);
      row.computeMs[worker] = records.computeMs[index]!;
      row.syncMs[worker] = records.syncMs[index]!;
      row.dataMs[worker] = records.dataMs[index]!;
    });
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
    columns.step.push(this.nextStep);
    columns.gradNorm.push(row.gradNorm);
    columns.learningRate.push(this.learningRate(this.nextStep));
    const stepMs = Math.max(...this.workersOfDevices.map((workers) => deviceMs(row, workers)));
    this.elapsedMs += stepMs;
    columns.stepMs.push(stepMs);
    columns.elapsedMs.push(this.elapsedMs);
    for (const series of ['loss', 'computeMs', 'syncMs', 'dataMs'] as const) {
      row[series].forEach((value, worker) => (columns[series][worker] as (number | null)[]).push(value));
    }
  }

  private emptyRow(step: number): Row {
    const zeros = () => new Array<number>(this.numWorkers).fill(0);
    const row = { reported: 0, loss: zeros(), gradNorm: 0, computeMs: zeros(), syncMs: zeros(), dataMs: zeros() };
    this.rows.set(step, row);
    return row;
  }
}

export function emptyColumns(numWorkers: number): StepColumns {
  const series = <T>() => Array.from({ length: numWorkers }, (): T[] => []);
  return {
    step: [],
    loss: series(),
    gradNorm: [],
    learningRate: [],
    computeMs: series(),
    syncMs: series(),
    dataMs: series(),
    stepMs: [],
    elapsedMs: [],
  };
}

function deviceMs(row: Row, workers: readonly number[]): number {
  const inTurn = workers.reduce((sum, worker) => sum + row.computeMs[worker]! + row.dataMs[worker]!, 0);
  return inTurn + (row.syncMs[workers[0]!] ?? 0);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
