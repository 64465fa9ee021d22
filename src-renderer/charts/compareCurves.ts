// The curves of a comparison: one quantity of every run over one axis, as they are or as mean and band of each group of seeds.

import type { EvaluationRecord } from '../../src-main/contract/run.ts';
import { evaluationSeries, inList, stepSeries, type StepSeries, type Unit } from '../../src-main/contract/series.ts';
import { workerColour, workerDash, type Theme } from './colours.ts';
import { meanBand, type ComparedRun, type Curve, type RunGroup } from './comparison.ts';
import { decimate } from './decimate.ts';
import { metricName } from './format.ts';
import { smooth } from './smooth.ts';
import type { PictureLine } from './svgPlot.ts';
import { xAxis, type XChoice } from './xAxis.ts';

export interface Quantity {
  id: string;
  name: string;
  /** Null: that of accuracy or perplexity, by the run. */
  unit: Unit | null;
  /** Of evaluations, else of steps. */
  of: ((evaluation: EvaluationRecord) => number | null) | StepSeries;
}

export const quantities: readonly Quantity[] = [
  { id: 'metric', name: 'Metric of evaluation', unit: null, of: (one) => one[metricName(one)] },
  ...inList(evaluationSeries, 'compare').map((name) => {
    const { title, unit } = evaluationSeries[name];
    return { id: `evaluation.${name}`, name: title, unit, of: (one: EvaluationRecord) => one[name] };
  }),
  ...inList(stepSeries, 'compare').map((name) => {
    const { title, unit } = stepSeries[name];
    return { id: name, name: title, unit, of: name };
  }),
];

export interface CurveChoice {
  quantity: Quantity;
  x: XChoice;
  smoothing: number;
  theme: Theme;
}

const mostPoints = 1200;

export function curveOf(run: ComparedRun, { quantity, x, smoothing }: CurveChoice): Curve {
  const { series, detail } = run;
  const axis = xAxis(x, detail.plan);
  const { of } = quantity;
  if (typeof of === 'function')
    return { x: detail.evaluations.map(({ step }) => axis.ofStep(step, series)), y: detail.evaluations.map(of) };
  const raw = series.merged(of);
  const shown = smoothing > 0 ? smooth(raw, series.length, smoothing) : raw;
  const drawn = decimate(axis.values(series), [shown], 0, series.length, mostPoints / 2);
  return { x: drawn.x, y: drawn.series[0]! };
}

/** A line for every run, or for every group; names say how many runs a group has. */
export function comparedLines(groups: readonly RunGroup[], grouped: boolean, choice: CurveChoice): PictureLine[] {
  const look = (index: number) => ({ colour: workerColour(index, choice.theme), dash: workerDash(index) });
  if (!grouped)
    return groups
      .flatMap(({ runs }) => runs)
      .map((run, index) => ({ name: run.detail.summary.name, ...look(index), ...curveOf(run, choice) }));
  return groups.map(({ name, runs }, index) => {
    if (runs.length === 1) return { name, ...look(index), ...curveOf(runs[0]!, choice) };
    const { x, mean, low, high } = meanBand(runs.map((run) => curveOf(run, choice)));
    return { name: `${name} (n = ${runs.length})`, ...look(index), x, y: mean, low, high };
  });
}
