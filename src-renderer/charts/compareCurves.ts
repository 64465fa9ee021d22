// The curves of a comparison: one quantity of every run over one axis, as they are or as mean and band of each group of seeds.

import { workerColour, workerDash, type Theme } from './colours.ts';
import { meanBand, type ComparedRun, type Curve, type RunGroup } from './comparison.ts';
import { decimate } from './decimate.ts';
import { smooth, rowMean } from './smooth.ts';
import type { PictureLine } from './svgPlot.ts';
import { xAxis, type XChoice } from './xAxis.ts';

export const quantities = [
  { id: 'metric', name: 'Metric of evaluation' },
  { id: 'evaluationLoss', name: 'Loss of evaluation' },
  { id: 'loss', name: 'Training loss' },
  { id: 'gradNorm', name: 'Gradient norm' },
  { id: 'learningRate', name: 'Learning rate' },
] as const;
export type Quantity = (typeof quantities)[number]['id'];

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
  if (quantity === 'metric' || quantity === 'evaluationLoss') {
    const value = (one: (typeof detail.evaluations)[number]) =>
      quantity === 'metric' ? (one.perplexity ?? one.accuracy) : one.loss;
    return { x: detail.evaluations.map(({ step }) => axis.ofStep(step, series)), y: detail.evaluations.map(value) };
  }
  const raw = quantity === 'loss' ? rowMean(series.losses(), series.length) : series[quantity]();
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
