// Measured gradients in the mask matrix: the logarithmic scale of their norms, the bars of disagreement, and the figures of a cell in words.

import type { Plan } from '../../src-main/contract/plan.ts';
import type { GradientRecord } from '../../src-main/contract/run.ts';
import { formatFigure } from './format.ts';

/** Norms from `low` to `high`, each 1 or 3 times a power of ten. */
export interface NormScale {
  low: number;
  high: number;
}

/** More decades would leave the larger norms without differences. */
const mostDecades = 4;
/** Share of colour of the smallest norm that is not zero, so that it is seen to be there. */
const leastShade = 0.3;

/** Spans what is above zero and finite, a decade at least; null where nothing is. */
export function normScale(norms: GradientRecord['norms']): NormScale | null {
  const shown = norms.flat().filter((norm): norm is number => norm !== null && norm > 0);
  if (shown.length === 0) return null;
  const largest = shown.reduce((most, norm) => Math.max(most, norm));
  const smallest = shown.reduce((least, norm) => Math.min(least, norm));
  const low = stepBelow(Math.max(smallest, largest * 10 ** -mostDecades));
  const top = stepBelow(largest);
  const high = stepValue(top) < largest ? top + 1 : top;
  return { low: stepValue(low), high: stepValue(Math.max(high, low + 2)) };
}

/** Steps of the scale by number: ..., 1, 3, 10, 30, ... */
const stepValue = (step: number): number => (step % 2 === 0 ? 1 : 3) * 10 ** Math.floor(step / 2);

function stepBelow(value: number): number {
  const decade = Math.floor(Math.log10(value));
  return 2 * decade + (value < 3 * 10 ** decade ? 0 : 1);
}

/** Share of a cell's colour, 0 to 1: 0 for a norm of zero. */
export function shadeOf(norm: number, { low, high }: NormScale): number {
  if (norm === 0) return 0;
  const place = Math.log(norm / low) / Math.log(high / low);
  return leastShade + (1 - leastShade) * Math.min(1, Math.max(0, place));
}

export interface DisagreementBar {
  /** Holders of the row's units. */
  holders: number;
  value: number | null;
  /** Shares of the longest bar: the value, and where gradients of equal length would be orthogonal. */
  length: number;
  mark: number;
}

/** One for each unit of the plan, and one for what all workers hold. */
export function disagreementBars(plan: Plan, { disagreement }: GradientRecord): DisagreementBar[] {
  const holders = [
    ...plan.units.map((unit) => (plan.granularity === 'block' ? unit.holders.length : plan.coverage)),
    plan.numWorkers,
  ];
  const marks = holders.map((count) => Math.sqrt(Math.max(0, count - 1)));
  const longest = [...marks, ...disagreement.map(Number)].reduce((most, value) => Math.max(most, value), 1e-9);
  return holders.map((count, row) => {
    const value = disagreement[row] ?? null;
    return { holders: count, value, length: (value ?? 0) / longest, mark: marks[row]! / longest };
  });
}

/** Whether a record is of this plan's units and workers. */
export function fitsPlan({ units, numWorkers }: Plan, { norms }: GradientRecord): boolean {
  return norms.length === units.length + 1 && norms.every((row) => row.length === numWorkers);
}

/** The figures of a cell in one sentence. */
export function describeCell(plan: Plan, record: GradientRecord, row: number, worker: number): string {
  const unit = plan.units[row];
  const held = !unit || (unit.held ? unit.held[worker]!.length > 0 : unit.holders.includes(worker));
  const own = held ? `gradient norm ${formatFigure(record.norms[row]![worker]!)}` : 'not held';
  const { holders } = disagreementBars(plan, record)[row]!;
  const average = `average of its holders ${formatFigure(record.mean[row]!)}`;
  const together =
    holders > 1 ? `${average}, disagreement ${formatFigure(record.disagreement[row]!)}` : 'held by one worker';
  return `${unit?.id ?? 'all others'}, worker ${worker}: ${own}; ${together}.`;
}
