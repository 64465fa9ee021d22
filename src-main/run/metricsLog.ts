// Metrics of a run on disk: metrics.jsonl (a line per step or evaluation) and TensorBoard scalars.
//
// TensorBoard's step is the number of steps done, so that training and evaluation agree. Lines: {"step", "loss": [per worker], "gradNorm", "learningRate", "computeMs": [], "syncMs": [], "dataMs": [], "stepMs"} and
// {"evaluation": {"step", "loss", "accuracy", "perplexity", "samples", "seconds"}} and {"memory": {"step", "elapsedMs", "devices"}}. Writes are queued
// in order; a resumed run first drops the lines of the steps that it will do again, and a last line that was cut short. Reading: readMetrics.ts.

import { appendFile, open, rename } from 'node:fs/promises';
import type { EvaluationRecord, MemoryRecord, StepColumns } from '../contract/run.ts';
import { storageError } from '../data/files.ts';
import { ScalarLog } from '../export/tensorboard.ts';
import { linesOf, stepMsOf, stepOf, stepSeries, workerSeries } from './metricLines.ts';

export class MetricsLog {
  private queue: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly scalars: ScalarLog,
    /** Training time of the steps that were there when it was opened, in milliseconds. */
    readonly elapsedMs: number,
  ) {}

  /** Opens for a run that goes on with step `from`. */
  static async open(folder: string, path: string, from: number): Promise<MetricsLog> {
    try {
      const elapsedMs = await dropFrom(path, from);
      return new MetricsLog(path, await ScalarLog.open(folder, from + 1), elapsedMs);
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

  /** Waits until everything is written; fails with `storage` where something could not be. */
  async flush(): Promise<void> {
    await this.queue;
  }

  async close(): Promise<void> {
    try {
      await this.queue;
    } finally {
      await this.scalars.close();
    }
  }

  private append(lines: string[], scalars: () => void): void {
    if (lines.length === 0) return;
    this.queue = this.queue.then(async () => {
      try {
        await appendFile(this.path, lines.map((line) => `${line}\n`).join(''));
        scalars();
        await this.scalars.flush();
      } catch (error) {
        throw storageError(error, this.path);
      }
    });
    this.queue.catch(() => undefined);
  }
}

function lineOf(columns: StepColumns, row: number): object {
  const ofWorkers = workerSeries.map((name) => [name, columns[name].map((series) => series[row])]);
  const ofStep = stepSeries.map((name) => [name, columns[name][row]]);
  return { step: columns.step[row], ...(Object.fromEntries([...ofWorkers, ...ofStep]) as object) };
}

/** Leaves out what follows step `from`, and returns the training time of what stays, in milliseconds. */
async function dropFrom(path: string, from: number): Promise<number> {
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  let elapsedMs = 0;
  try {
    for await (const line of linesOf(path)) {
      const at = stepOf(line);
      if (at === undefined || at > from) continue;
      elapsedMs += stepMsOf(line);
      await file.write(`${line}\n`);
    }
  } finally {
    await file.close();
  }
  await rename(partial, path);
  return elapsedMs;
}
