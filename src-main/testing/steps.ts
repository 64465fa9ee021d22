// Columns of steps for tests. They have every series, so that a new one needs no change here.

import { columnsIn, emptyColumns, type StepColumns } from '../contract/steps.ts';

/** `first`: index of the first step. Losses by worker; a series that is not given has another number in each of its columns. */
export function columnsOf(first: number, losses: (number | null)[][], given: Partial<StepColumns> = {}): StepColumns {
  const step = losses[0]!.map((_, row) => first + row);
  const columns = { ...emptyColumns(losses.length), step, elapsedMs: step.map((index) => index + 1) };
  columnsIn(columns).forEach(({ values }, index) => values.push(...step.map(() => index + 1)));
  return { ...columns, loss: losses, ...given };
}
