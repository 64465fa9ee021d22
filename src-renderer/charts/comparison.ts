// Several runs side by side: which are the same but for their seeds, where their configurations differ, what each came to, and the mean and
// spread of a group. Everything here is plain data; CompareView draws it.

import { bytesPerStep, flopsPerStep } from '../../src-main/contract/plan.ts';
import type { RunDetail } from '../../src-main/contract/run.ts';
import type { RunConfig } from '../../src-main/contract/runConfig.ts';
import type { RunSeries } from './runSeries.ts';

export interface ComparedRun {
  id: string;
  detail: RunDetail;
  series: RunSeries;
}

export interface RunGroup {
  name: string;
  runs: ComparedRun[];
}

const notCompared = new Set(['name', 'training.seed', 'subnetworks.seed']);

/** Dotted keys with their values as text. */
export function flatConfig(config: RunConfig): Map<string, string> {
  const flat = new Map<string, string>();
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [name, part] of Object.entries(value)) walk(part, key ? `${key}.${name}` : name);
    else flat.set(key, typeof value === 'string' ? value : JSON.stringify(value));
  };
  walk(config, '');
  return flat;
}

/** Runs that differ in name and seeds alone, together; in the order of their first ones. */
export function groupBySeeds(runs: readonly ComparedRun[]): RunGroup[] {
  const groups = new Map<string, RunGroup>();
  for (const run of runs) {
    const entries = [...flatConfig(run.detail.config)].filter(([key]) => !notCompared.has(key));
    const key = JSON.stringify(entries);
    const group = groups.get(key) ?? { name: run.detail.summary.name, runs: [] };
    group.runs.push(run);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Keys in which the runs do not all agree, with the value of each. */
export function configDifferences(runs: readonly ComparedRun[]): { key: string; values: string[] }[] {
  const flats = runs.map((run) => flatConfig(run.detail.config));
  const keys = [...new Set(flats.flatMap((flat) => [...flat.keys()]))];
  return keys
    .map((key) => ({ key, values: flats.map((flat) => flat.get(key) ?? '–') }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** What a run came to; NaN where it is not known. */
export interface Outcome {
  steps: number;
  loss: number;
  metric: number;
  perplexity: boolean;
  memoryBytes: number;
  seconds: number;
  flops: number;
  bytes: number;
}

export function outcomeOf({ detail, series }: ComparedRun): Outcome {
  const { summary, plan, evaluations, memory } = detail;
  const last = evaluations.at(-1);
  const processes = memory.flatMap(({ devices }) => devices.map((device) => device.peakResidentBytes));
  const perplexity = typeof last?.perplexity === 'number';
  return {
    steps: summary.step,
    loss: last?.loss ?? NaN,
    metric: (perplexity ? last.perplexity : last?.accuracy) ?? NaN,
    perplexity,
    memoryBytes: processes.length > 0 ? Math.max(...processes) : NaN,
    seconds: series.length > 0 ? series.elapsedMs[series.length - 1]! / 1000 : NaN,
    flops: plan ? flopsPerStep(plan) * summary.step : NaN,
    bytes: plan ? bytesPerStep(plan) * summary.step : NaN,
  };
}

export interface Curve {
  x: number[];
  y: (number | null)[];
}

export interface Band {
  x: number[];
  mean: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
}

/** Mean of curves and one sample standard deviation to either side, where all of them are known; at the places of the first curve. */
export function meanBand(curves: readonly Curve[]): Band {
  const x = curves[0]?.x ?? [];
  const band: Band = { x, mean: [], low: [], high: [] };
  for (const place of x) {
    const values = curves.map((curve) => valueAt(curve, place));
    const known = values.every((value) => value !== null);
    const mean = known ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
    const spread = mean === null ? 0 : deviation(values as number[], mean);
    band.mean.push(mean);
    band.low.push(mean === null ? null : mean - spread);
    band.high.push(mean === null ? null : mean + spread);
  }
  return band;
}

/** Sample standard deviation; 0 of one value. */
export function deviation(values: readonly number[], mean: number): number {
  if (values.length < 2) return 0;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** Between two known places, on the line that joins them. */
export function valueAt({ x, y }: Curve, place: number): number | null {
  const next = x.findIndex((value) => value >= place);
  if (next < 0) return null;
  if (x[next] === place || next === 0) return x[next] === place ? (y[next] ?? null) : null;
  const [before, after] = [y[next - 1] ?? null, y[next] ?? null];
  if (before === null || after === null) return null;
  return before + ((after - before) * (place - x[next - 1]!)) / (x[next]! - x[next - 1]!);
}
