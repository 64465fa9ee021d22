// What the log of a run has for a page: series of any length thinned out evenly, with every step whose loss is not finite.

import {
  deviceChange,
  evaluationRecord,
  memoryRecord,
  type DeviceChange,
  type EvaluationRecord,
  type MemoryRecord,
} from '../contract/run.ts';
import { columnsIn, emptyColumns, type StepColumns } from '../contract/steps.ts';
import { isStep, linesOf, stepMsOf, type StepLine } from './metricLines.ts';

export interface Metrics {
  columns: StepColumns;
  evaluations: EvaluationRecord[];
  memory: MemoryRecord[];
  deviceChanges: DeviceChange[];
}

const mostMemoryRecords = 500;
const mostNonFinite = 1000;

/** At most `maxRows` evenly spaced steps, the last one, and the first thousand whose loss is not finite. */
export async function readMetrics(path: string, numWorkers: number, maxRows: number): Promise<Metrics> {
  const rows = new Thinned<Row>(maxRows);
  const memory = new Thinned<MemoryRecord>(mostMemoryRecords);
  const nonFinite: Row[] = [];
  const evaluations: EvaluationRecord[] = [];
  const deviceChanges: DeviceChange[] = [];
  let elapsedMs = 0;
  for await (const line of linesOf(path)) {
    if (isStep(line)) {
      elapsedMs += stepMsOf(line);
      const row = { line, elapsedMs };
      rows.add(row);
      if (nonFinite.length < mostNonFinite && /"loss":\[[^\]]*null/.test(line)) nonFinite.push(row);
    } else {
      const record = JSON.parse(line) as Record<string, unknown>;
      const evaluated = evaluationRecord.safeParse(record.evaluation).data;
      if (evaluated) evaluations.push(evaluated);
      const sampled = memoryRecord.safeParse(record.memory).data;
      if (sampled) memory.add(sampled);
      const changed = deviceChange.safeParse(record.deviceChange).data;
      if (changed) deviceChanges.push(changed);
    }
  }
  const columns = emptyColumns(numWorkers);
  for (const row of [...new Set([...rows.all, ...nonFinite])].sort((a, b) => a.elapsedMs - b.elapsedMs))
    addRow(columns, row);
  return { columns, evaluations, memory: memory.all, deviceChanges };
}

interface Row {
  line: string;
  elapsedMs: number;
}

/** Keeps every so-many-th item and the last one; whenever it holds too many, every other one goes. */
class Thinned<T> {
  #kept: T[] = [];
  #every = 1;
  #count = 0;
  #last: T | undefined;

  constructor(private readonly most: number) {}

  add(item: T): void {
    this.#last = item;
    if (this.#count++ % this.#every === 0) this.#kept.push(item);
    if (this.#kept.length <= this.most) return;
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    this.#every *= 2;
  }

  get all(): T[] {
    const last = this.#last;
    return last === undefined || this.#kept.at(-1) === last ? this.#kept : [...this.#kept, last];
  }
}

function addRow(columns: StepColumns, { line, elapsedMs }: Row): void {
  const record = JSON.parse(line) as StepLine;
  columns.step.push(record.step);
  columns.elapsedMs.push(elapsedMs);
  for (const { name, worker, values } of columnsIn(columns)) {
    const value = record[name];
    values.push((Array.isArray(value) ? value[worker!] : value) ?? null);
  }
}
