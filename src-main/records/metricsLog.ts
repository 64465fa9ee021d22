// Metrics of a run on disk: metrics.jsonl (a line per step, evaluation or sample of memory) and TensorBoard's events: the same curves, with the
// configuration as text and as hyper-parameters, and the mask matrix as a picture.
//
// TensorBoard's step is the number of steps done, so that training and evaluation agree. Lines: {"step", and the series of contract/series.ts: lists
// by worker, then values of the step}, {"evaluation": {"step", its series, "samples", "seconds"}}, {"memory": {"step", "elapsedMs", "devices"}},
// {"deviceChange": {"step", "device", "change", "reason"}} and {"sampling": {"step", "seed", "samples", "numWorkers", "share"}}.
// Lines that the disk refuses are tried again, and in the end dropped and counted: no log ends a run. A resumed run first drops the lines of the
// steps that it will do again, and a last line that was cut short. Reading: readMetrics.ts.

import { evaluationRecord, type DeviceChange, type EvaluationRecord, type MemoryRecord } from '../contract/run.ts';
import { evaluationNames, evaluationSeries, isPerWorker, stepNames, stepSeries } from '../contract/series.ts';
import { stepValue, type StepColumns } from '../contract/steps.ts';
import { replaceFile, storageError } from '../files/files.ts';
import { PatientAppend } from '../files/patientAppend.ts';
import { stringify } from 'yaml';
import type { SamplingRecord } from '../contract/ledger.ts';
import type { Plan } from '../contract/plan.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { EventLog, type HParam } from '../export/tensorboard.ts';
import { maskImage } from './maskImage.ts';
import { isStep, linesOf, stepMsOf, stepOf, type StepLine } from './metricLines.ts';

interface Before {
  /** Training time of the steps, in milliseconds. */
  elapsedMs: number;
  /** Of the parameters that the run goes on with. */
  evaluation: EvaluationRecord | undefined;
}

export class MetricsLog {
  private constructor(
    private readonly file: PatientAppend,
    private readonly events: EventLog,
    /** What was there when it was opened. */
    readonly before: Before,
  ) {}

  /** Opens for a run that goes on with step `from`. */
  static async open(folder: string, path: string, from: number): Promise<MetricsLog> {
    try {
      const before = await dropFrom(path, from);
      return new MetricsLog(await PatientAppend.open(path), await EventLog.open(folder, from + 1), before);
    } catch (error) {
      throw storageError(error, path);
    }
  }

  /** Tells TensorBoard of the run that goes on with step `step`. */
  describe(config: RunConfig, plan: Plan, step: number): void {
    const indented = stringify(config).replace(/^/gm, '    ');
    this.events.addText('configuration', step, indented);
    this.events.addImage('masks', step, maskImage(plan));
    const metrics = evaluationNames.map((name) => evaluationSeries[name].tag);
    this.events.startSession(new Map(hparams(config)), [...metrics, stepSeries.loss.tag]);
  }

  /** The run is done. */
  finish(): void {
    this.events.endSession();
  }

  appendSteps(columns: StepColumns): void {
    const lines = columns.step.map((_, row) => JSON.stringify(lineOf(columns, row)));
    this.append(lines, () => {
      columns.step.forEach((step, row) => {
        for (const name of stepNames) {
          const { tag } = stepSeries[name];
          if (tag !== null) this.events.add(tag, step + 1, stepValue(columns, name, row));
        }
      });
    });
  }

  appendEvaluation(evaluation: EvaluationRecord): void {
    this.append([JSON.stringify({ evaluation })], () => {
      for (const name of evaluationNames) {
        const { tag, nulls } = evaluationSeries[name];
        const isAbsent = evaluation[name] === null && nulls === 'absent';
        if (tag !== null && !isAbsent) this.events.add(tag, evaluation.step, evaluation[name] ?? NaN);
      }
    });
  }

  appendMemory(memory: MemoryRecord): void {
    this.append([JSON.stringify({ memory })], () => undefined);
  }

  appendDeviceChange(deviceChange: DeviceChange): void {
    this.append([JSON.stringify({ deviceChange })], () => undefined);
  }

  appendSampling(sampling: SamplingRecord): void {
    this.append([JSON.stringify({ sampling })], () => undefined);
  }

  /** Tries to write everything. */
  async flush(): Promise<void> {
    await Promise.all([this.file.flush(), this.events.flush()]);
  }

  /** What is not on the disk, one sentence; empty where all is. */
  get loss(): string {
    const { missing, problem } = this.file;
    if (missing > 0) return `${missing} lines of metrics.jsonl are missing: ${problem}`;
    return problem && `metrics wait to be written: ${problem}`;
  }

  /** Drops what cannot be written by now. */
  async close(): Promise<void> {
    await Promise.all([this.file.close(), this.events.close()]);
  }

  private append(lines: string[], scalars: () => void): void {
    if (lines.length === 0) return;
    this.file.add(Buffer.from(lines.map((line) => `${line}\n`).join('')), lines.length);
    scalars();
    void this.flush();
  }
}

/** The values of a configuration under the names of their keys; lists as text. */
function hparams(config: object, prefix = ''): [string, HParam][] {
  return Object.entries(config).flatMap(([key, value]: [string, unknown]): [string, HParam][] => {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return [[prefix + key, value]];
    if (Array.isArray(value)) return [[prefix + key, JSON.stringify(value)]];
    return typeof value === 'object' && value !== null ? hparams(value, `${prefix}${key}.`) : [];
  });
}

/** The step, then lists by worker, then values of the step. */
function lineOf(columns: StepColumns, row: number): StepLine {
  const line: StepLine = { step: columns.step[row]! };
  for (const name of stepNames) if (isPerWorker(name)) line[name] = columns[name].map((values) => values[row]!);
  for (const name of stepNames) if (!isPerWorker(name)) line[name] = columns[name][row]!;
  return line;
}

/** Leaves out what follows step `from`; what stays. */
async function dropFrom(path: string, from: number): Promise<Before> {
  const before: Before = { elapsedMs: 0, evaluation: undefined };
  await replaceFile(path, async (file) => {
    for await (const line of linesOf(path)) {
      const at = stepOf(line);
      if (at === undefined || at > from) continue;
      before.elapsedMs += stepMsOf(line);
      if (at === from && !isStep(line)) before.evaluation = evaluationIn(line) ?? before.evaluation;
      await file.write(`${line}\n`);
    }
  });
  return before;
}

function evaluationIn(line: string): EvaluationRecord | undefined {
  return evaluationRecord.safeParse((JSON.parse(line) as { evaluation?: unknown }).evaluation).data;
}
