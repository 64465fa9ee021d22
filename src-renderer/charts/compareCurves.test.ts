import { expect, test } from 'vitest';
import { evaluationRecord } from '../../src-main/contract/run.ts';
import { evaluationNames, inList, stepSeries } from '../../src-main/contract/series.ts';
import { stepValue } from '../../src-main/contract/steps.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { detailOf } from '../stores/testApp.ts';
import { curveOf, quantities } from './compareCurves.ts';
import { RunSeries } from './runSeries.ts';

const columns = columnsOf(0, [
  [3, 2],
  [5, 4],
]);
const series = new RunSeries(2);
series.append(columns);
const values = Object.fromEntries(evaluationNames.map((name, index) => [name, index + 0.25]));
const evaluations = [evaluationRecord.parse({ step: 2, samples: 10, seconds: 1, ...values })];
const run = { id: 'r', detail: detailOf('r', columns, { evaluations }), series };

const curveNamed = (id: string) =>
  curveOf(run, { quantity: quantities.find((one) => one.id === id)!, x: 'step', smoothing: 0, theme: 'light' });

test.each(inList(stepSeries, 'compare'))('%s is drawn by step', (name) => {
  expect(curveNamed(name)).toEqual({ x: [1, 2], y: [0, 1].map((row) => stepValue(columns, name, row)) });
});

test('the metric is the perplexity where there is one, else the accuracy', () => {
  expect(curveNamed('metric')).toEqual({ x: [2], y: [evaluations[0]!.perplexity] });
  run.detail = { ...run.detail, evaluations: [{ ...evaluations[0]!, perplexity: null }] };
  expect(curveNamed('metric')).toEqual({ x: [2], y: [evaluations[0]!.accuracy] });
  expect(curveNamed('evaluation.loss')).toEqual({ x: [2], y: [evaluations[0]!.loss] });
});
