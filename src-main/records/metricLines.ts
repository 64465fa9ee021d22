// Lines of metrics.jsonl, read as a stream: the file of a run of a million steps is far larger than what is shown of it. Lines are written by
// metricsLog.ts with their keys in this order, so that a step's number and time are found without parsing the rest.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { StepSeries } from '../contract/series.ts';

/** Lists by worker, or values of the step; a series that is younger than the log is missing. */
export type StepLine = { step: number } & Partial<Record<StepSeries, (number | null)[] | number | null>>;

/** Whole lines of a file that may be missing; a last one that was cut short is left out. */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path, 'utf8');
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) if (line.endsWith('}')) yield line;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    input.destroy();
  }
}

const stepPrefix = '{"step":';

export const isStep = (line: string): boolean => line.startsWith(stepPrefix);

/** Steps done when the line was written; undefined for a line that is none of the log's. */
export function stepOf(line: string): number | undefined {
  if (isStep(line)) return Number.parseInt(line.slice(stepPrefix.length), 10) + 1;
  const step = /^\{"(?:evaluation|memory|deviceChange|sampling)":\{"step":(\d+)/.exec(line)?.[1];
  return step === undefined ? undefined : Number(step);
}

/** 0 for a line that is not of a step. */
export function stepMsOf(line: string): number {
  const key = '"stepMs":';
  const at = isStep(line) ? line.lastIndexOf(key) : -1;
  return at < 0 ? 0 : Number.parseFloat(line.slice(at + key.length)) || 0;
}
