import { expect, it } from 'vitest';
import { noLoss } from '../contract/run.ts';
import { LossCurveBuilder } from './lossCurve.ts';

function curveOf(losses: (number | null)[]) {
  const builder = new LossCurveBuilder(noLoss, 0);
  losses.forEach((loss, step) => builder.add(step, [loss, loss]));
  return builder.value;
}

it('keeps every step of a short run, and means of a long one', () => {
  expect(curveOf([3, 2, 1])).toEqual({ every: 1, means: [3, 2, 1] });
  const long = curveOf(Array.from({ length: 1000 }, (_, step) => step));
  expect([long.every, long.means.length, long.means[0], long.means.at(-1)]).toEqual([32, 32, 15.5, 995.5]);
});

it('a loss that is not finite leaves a gap', () => {
  expect(curveOf([3, null, 1]).means).toEqual([3, null, 1]);
});

it('steps that are missing leave a gap, also where the curve is thinned', () => {
  const builder = new LossCurveBuilder({ every: 1, means: [3, 3] }, 2);
  for (let step = 4; step < 60; step += 1) builder.add(step, [2]);
  expect(builder.value).toEqual({ every: 2, means: [3, null, ...new Array<number>(28).fill(2)] });
});

it('goes on from a step in the middle', () => {
  const resumed = new LossCurveBuilder({ every: 2, means: [3, 2, 1] }, 4);
  resumed.add(4, [9, 7]);
  expect(resumed.value).toEqual({ every: 2, means: [3, 2, 8] });
});
