import { expect, test } from 'vitest';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { detailOf } from '../stores/testApp.ts';
import { describeCell, disagreementBars, fitsPlan, normScale, shadeOf } from './gradients.ts';

test('the scale of norms ends at 1 or 3 times a power of ten, and spans one to four decades', () => {
  const scale = (...norms: (number | null)[]) => {
    const found = normScale([norms]);
    return found && [found.low, found.high].map((end) => Number(end.toPrecision(6)));
  };
  expect(scale(0.05, 2)).toEqual([0.03, 3]);
  expect(scale(0.5)).toEqual([0.3, 3]);
  expect(scale(1, 100)).toEqual([1, 100]);
  expect(scale(1e-12, 0, null, 200)).toEqual([0.01, 300]);
  expect(scale(0, null)).toBeNull();
});

test('a shade grows with the logarithm of the norm; zero has none', () => {
  const scale = { low: 0.01, high: 1 };
  expect([0, 0.001, 0.01, 0.1, 1, 5].map((norm) => shadeOf(norm, scale))).toEqual([
    0,
    0.3,
    0.3,
    expect.closeTo(0.65),
    1,
    1,
  ]);
});

const unit = { parameters: 1, size: 1 };
const plan = {
  ...detailOf('r', columnsOf(0, [[], []])).plan!,
  units: [
    { ...unit, id: 'a', holders: [0, 1] },
    { ...unit, id: 'b', holders: [1] },
  ],
  numWorkers: 5,
};
const record = {
  step: 1,
  norms: [
    [0.25, 0, 0, 0, 0],
    [0, null, 0, 0, 0],
    [1, 1, 1, 1, 1],
  ],
  mean: [0.125, null, 1],
  disagreement: [0.5, 0, null],
};

test('disagreement is drawn on one scale, with a mark where the holders have nothing in common', () => {
  expect(disagreementBars(plan, record)).toEqual([
    { holders: 2, value: 0.5, length: 0.25, mark: 0.5 },
    { holders: 1, value: 0, length: 0, mark: 0 },
    { holders: 5, value: null, length: 0, mark: 1 },
  ]);
});

test('the figures of a cell are told in words', () => {
  expect([describeCell(plan, record, 0, 0), describeCell(plan, record, 0, 2)]).toEqual([
    'a, worker 0: gradient norm 0.25; average of its holders 0.125, disagreement 0.5.',
    'a, worker 2: not held; average of its holders 0.125, disagreement 0.5.',
  ]);
  expect(describeCell(plan, record, 1, 1)).toBe('b, worker 1: gradient norm not finite; held by one worker.');
  expect(describeCell(plan, record, 2, 4)).toBe(
    'all others, worker 4: gradient norm 1; average of its holders 1, disagreement not finite.',
  );
});

test('a record of other units or workers does not fit a plan', () => {
  expect(fitsPlan(plan, record)).toBe(true);
  expect([fitsPlan({ ...plan, numWorkers: 4 }, record), fitsPlan({ ...plan, units: [] }, record)]).toEqual([
    false,
    false,
  ]);
});
