// Metrics of a run on disk: metrics.jsonl (a line per step or evaluation) and TensorBoard scalars.
//
// TensorBoard's step is the number of steps done, so that training and evaluation agree. Lines: {"step", "loss": [per worker], "gradNorm", "learningRate", "computeMs": [], "syncMs": [], "dataMs": [], "stepMs"} and
// {"evaluation": {"step", "loss", "accuracy", "perplexity", "samples", "seconds"}}. Writes are queued in order; a resumed run first drops the lines of
// the steps that it will do again, and a last line that was cut short.

import { appendFile, readFile, rename, writeFile } from 'node:fs/promises';
import { evaluationRecord, type EvaluationRecord, type StepColumns } from '../contract/run.ts';
import { storageError } from '../data/files.ts';
import { ScalarLog } from '../export/tensorboard.ts';

import { emptyColumns } from './stepMerger.ts';

const workerSeries = ['loss', 'computeMs', 'syncMs', 'dataMs'] as const;
const stepSeries = ['gradNorm', 'learningRate', 'stepMs'] as const;

type StepLine = { step: number } & Record<(typeof workerSeries)[number], (number | null)[]> &
  Record<(typeof stepSeries)[number], number>;

export class MetricsLog {
  private queue: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private readonly scalars: ScalarLog,
  ) {}

  /** Opens for a run that goes on with step `from`. */
  static async open(folder: string, path: string, from: number): Promise<MetricsLog> {
    try {
      await dropFrom(path, from);
      return new MetricsLog(path, await ScalarLog.open(folder, from + 1));
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

/** What is on disk, with at most `maxRows` evenly spaced steps and every step whose loss is not finite. */
export async function readMetrics(
  path: string,
  numWorkers: number,
  maxRows: number,
): Promise<{ columns: StepColumns; evaluations: EvaluationRecord[] }> {
  const lines = await readLines(path);
  const evaluations = lines.flatMap((line) => {
    const parsed = evaluationRecord.safeParse((line as { evaluation?: unknown }).evaluation);
    return parsed.success ? [parsed.data] : [];
  });
  const steps = lines.filter((line): line is StepLine => 'step' in line);
  const stride = Math.max(1, Math.ceil(steps.length / maxRows));
  const columns = emptyColumns(numWorkers);
  steps.forEach((line, index) => {
    if (index % stride === 0 || index === steps.length - 1 || line.loss.includes(null)) addLine(columns, line);
  });
  return { columns, evaluations };
}

function lineOf(columns: StepColumns, row: number): object {
  const ofWorkers = workerSeries.map((name) => [name, columns[name].map((series) => series[row])]);
  const ofStep = stepSeries.map((name) => [name, columns[name][row]]);
  return { step: columns.step[row], ...(Object.fromEntries([...ofWorkers, ...ofStep]) as object) };
}

function addLine(columns: StepColumns, line: StepLine): void {
  columns.step.push(line.step);
  for (const name of stepSeries) columns[name].push(line[name]);
  for (const name of workerSeries) {
    columns[name].forEach((series: (number | null)[], worker) => series.push(line[name][worker] ?? null));
  }
}

async function readLines(path: string): Promise<object[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as object];
    } catch {
      return [];
    }
  });
}

async function dropFrom(path: string, from: number): Promise<void> {
  const lines = await readLines(path);
  const kept = lines.filter((line) => {
    const { step, evaluation } = line as Partial<StepLine> & { evaluation?: EvaluationRecord };
    return step === undefined ? (evaluation?.step ?? Infinity) <= from : step < from;
  });
  await writeFile(`${path}.partial`, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await rename(`${path}.partial`, path);
}
