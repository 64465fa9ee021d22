// Metrics of a run on disk: metrics.jsonl (a line per step or evaluation) and TensorBoard scalars.
//
// TensorBoard's step is the number of steps done, so that training and evaluation agree. Lines: {"step", "loss": [per worker], "gradNorm", "learningRate", "computeMs": [], "syncMs": [], "dataMs": [], "stepMs"} and
// {"evaluation": {"step", "loss", "accuracy", "perplexity", "samples", "seconds"}} and {"memory": {"step", "elapsedMs", "devices"}}. Lines that the
// disk refuses are tried again, and in the end dropped and counted: no log ends a run. A resumed run first drops the lines of the steps that it will do again, and a last line that was cut short. Reading: readMetrics.ts.

import type { EvaluationRecord, MemoryRecord, StepColumns } from '../contract/run.ts';
import { replaceFile, storageError } from '../files/files.ts';
import { PatientAppend } from '../files/patientAppend.ts';
import { ScalarLog } from '../export/tensorboard.ts';
import { linesOf, stepMsOf, stepOf, stepSeries, workerSeries } from './metricLines.ts';

export class MetricsLog {
  private constructor(
    private readonly file: PatientAppend,
    private readonly scalars: ScalarLog,
    /** Training time of the steps that were there when it was opened, in milliseconds. */
    readonly elapsedMs: number,
  ) {}

  /** Opens for a run that goes on with step `from`. */
  static async open(folder: string, path: string, from: number): Promise<MetricsLog> {
    try {
      const elapsedMs = await dropFrom(path, from);
      return new MetricsLog(await PatientAppend.open(path), await ScalarLog.open(folder, from + 1), elapsedMs);
    } catch (error) {
      throw storageError(error, path);
    }
  }

  appendSteps(columns: StepColumns): void {
    const lines = columns.step.map((_, row) => JSON.stringify(lineOf(columns, row)));
    this.append(lines, () => {
      columns.step.forEach((step, row) => {
        const losses = columns.loss.map((series) => series[row] ?? NaN);
        this.scalars.add('train/loss', step + 1, losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
        this.scalars.add('train/learning_rate', step + 1, columns.learningRate[row]!);
        this.scalars.add('train/grad_norm', step + 1, columns.gradNorm[row] ?? NaN);
        this.scalars.add('time/step_ms', step + 1, columns.stepMs[row]!);
      });
    });
  }

  appendEvaluation(evaluation: EvaluationRecord): void {
    this.append([JSON.stringify({ evaluation })], () => {
      this.scalars.add('evaluation/loss', evaluation.step, evaluation.loss ?? NaN);
      this.scalars.add('evaluation/accuracy', evaluation.step, evaluation.accuracy);
      if (evaluation.perplexity !== null)
        this.scalars.add('evaluation/perplexity', evaluation.step, evaluation.perplexity);
    });
  }

  appendMemory(memory: MemoryRecord): void {
    this.append([JSON.stringify({ memory })], () => undefined);
  }

  /** Tries to write everything. */
  async flush(): Promise<void> {
    await Promise.all([this.file.flush(), this.scalars.flush()]);
  }

  /** What is not on the disk, one sentence; empty where all is. */
  get loss(): string {
    const { missing, problem } = this.file;
    if (missing > 0) return `${missing} lines of metrics.jsonl are missing: ${problem}`;
    return problem && `metrics wait to be written: ${problem}`;
  }

  /** Drops what cannot be written by now. */
  async close(): Promise<void> {
    await Promise.all([this.file.close(), this.scalars.close()]);
  }

  private append(lines: string[], scalars: () => void): void {
    if (lines.length === 0) return;
    this.file.add(Buffer.from(lines.map((line) => `${line}\n`).join('')), lines.length);
    scalars();
    void this.flush();
  }
}

function lineOf(columns: StepColumns, row: number): object {
  const ofWorkers = workerSeries.map((name) => [name, columns[name].map((series) => series[row])]);
  const ofStep = stepSeries.map((name) => [name, columns[name][row]]);
  return { step: columns.step[row], ...(Object.fromEntries([...ofWorkers, ...ofStep]) as object) };
}

/** Leaves out what follows step `from`, and returns the training time of what stays, in milliseconds. */
async function dropFrom(path: string, from: number): Promise<number> {
  let elapsedMs = 0;
  await replaceFile(path, async (file) => {
    for await (const line of linesOf(path)) {
      const at = stepOf(line);
      if (at === undefined || at > from) continue;
      elapsedMs += stepMsOf(line);
      await file.write(`${line}\n`);
    }
  });
  return elapsedMs;
}
