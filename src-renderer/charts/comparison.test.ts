import { expect, test } from 'vitest';
import { parseRunConfig } from '../../src-main/contract/runConfig.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { detailOf, minimalConfig } from '../stores/testApp.ts';
import { configDifferences, groupBySeeds, meanBand, outcomeOf, valueAt, type ComparedRun } from './comparison.ts';
import { RunSeries } from './runSeries.ts';

function run(id: string, changes: object = {}): ComparedRun {
  const config = parseRunConfig({ ...minimalConfig, ...changes });
  const columns = columnsOf(0, [
    [3, 2],
    [3, 2],
  ]);
  const series = new RunSeries(2);
  series.append(columns);
  return { id, detail: detailOf(id, columns, { config }), series };
}

const seeds = [
  run('a', { name: 'one' }),
  run('b', { name: 'two', training: { seed: 7 } }),
  run('c', { training: { steps: 5 } }),
];

test('runs that differ in name and seed alone are one group', () => {
  expect(groupBySeeds(seeds).map(({ runs }) => runs.map(({ id }) => id))).toEqual([['a', 'b'], ['c']]);
});

test('differences are named key by key', () => {
  expect(configDifferences(seeds)).toEqual([
    { key: 'name', values: ['one', 'two', 'run'] },
    { key: 'training.steps', values: ['300', '300', '5'] },
    { key: 'training.seed', values: ['0', '7', '0'] },
  ]);
});

test('what is not known of a run stays unknown', () => {
  expect(outcomeOf(seeds[0]!)).toMatchObject({
    steps: 2,
    loss: NaN,
    metric: NaN,
    memoryBytes: NaN,
    bytes: 0,
    seconds: 0.002,
  });
});

test('mean and band of curves at different places', () => {
  const band = meanBand([
    { x: [0, 2, 4], y: [0, 2, 4] },
    { x: [0, 4], y: [2, 6] },
    { x: [0, 4], y: [4, null] },
  ]);
  expect([band.mean, band.low, band.high]).toEqual([
    [2, null, null],
    [0, null, null],
    [4, null, null],
  ]);
  expect(valueAt({ x: [1, 3], y: [1, 3] }, 2)).toBe(2);
  expect(valueAt({ x: [1, 3], y: [1, 3] }, 4)).toBeNull();
  expect(valueAt({ x: [1, 3], y: [1, 3] }, 0)).toBeNull();
});
