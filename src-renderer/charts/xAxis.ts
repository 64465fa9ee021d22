// What a curve is drawn over: steps, or what steps come to in samples, FLOPs, time or communicated bytes. Every choice grows with the step.

import { bytesPerStep, flopsPerStep, type Plan } from '../../src-main/contract/plan.ts';
import { formatBytes, formatDuration, formatInteger, formatSi } from './format.ts';
import type { RunSeries } from './runSeries.ts';
import { lowerBound } from './seriesBuffer.ts';

export const xChoices = [
  { id: 'step', name: 'step' },
  { id: 'samples', name: 'samples' },
  { id: 'flops', name: 'FLOPs' },
  { id: 'time', name: 'time' },
  { id: 'bytes', name: 'bytes communicated' },
] as const;
export type XChoice = (typeof xChoices)[number]['id'];

export interface XAxis {
  choice: XChoice;
  /** Of the rows of a series; `length` valid ones. */
  values(series: RunSeries): Float64Array;
  /** Of a number of steps done. */
  ofStep(step: number, series: RunSeries): number;
  format(value: number): string;
}

const formats: Record<XChoice, (value: number) => string> = {
  step: formatInteger,
  samples: (value) => formatSi(value),
  flops: (value) => formatSi(value),
  time: formatDuration,
  bytes: formatBytes,
};

/** The axis of a choice for one run; by step where its plan is not known. */
export function xAxis(choice: XChoice, plan: Plan | null): XAxis {
  const format = formats[plan || choice === 'time' ? choice : 'step'];
  if (choice === 'time') return { choice, values: seconds, ofStep: secondsOfStep, format };
  const factor = plan ? perStep(choice, plan) : 1;
  return {
    choice,
    values: (series) => (factor === 1 ? series.steps : series.steps.map((step) => step * factor)),
    ofStep: (step) => step * factor,
    format,
  };
}

/** The same value or a little more, so that it stays for a while as the value grows. */
export function withRoom(value: number): number {
  if (value <= 0) return value;
  const grain = 2 ** (Math.floor(Math.log2(value)) - 5);
  return Math.ceil(value / grain) * grain;
}

function perStep(choice: Exclude<XChoice, 'time'>, plan: Plan): number {
  switch (choice) {
    case 'step':
      return 1;
    case 'samples':
      return plan.batch.global;
    case 'flops':
      return flopsPerStep(plan);
    case 'bytes':
      return bytesPerStep(plan);
  }
}

function seconds(series: RunSeries): Float64Array {
  return Float64Array.from(series.elapsedMs, (ms) => ms / 1000);
}

function secondsOfStep(step: number, series: RunSeries): number {
  if (series.length === 0) return 0;
  const row = Math.min(lowerBound(series.steps, series.length, step), series.length - 1);
  return series.elapsedMs[row]! / 1000;
}
