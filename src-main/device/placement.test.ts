import { expect, it } from 'vitest';
import { randomSource } from '../testing/random.ts';
import { placeWorkers } from './placement.ts';

const seats = (...weights: number[]) => weights.map((weight, index) => ({ id: `cpu:${index}`, weight }));

it.each([
  [
    4,
    [1, 1],
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [
    5,
    [1, 1],
    [
      [0, 1],
      [2, 3, 4],
    ],
  ],
  [4, [3, 1], [[0, 1, 2], [3]]],
  [3, [100, 1, 1], [[0], [1], [2]]],
  [
    8,
    [2, 1, 1],
    [
      [0, 1, 2, 3],
      [4, 5],
      [6, 7],
    ],
  ],
  [4, [2, 1], [[0, 1, 2], [3]]],
])('places %i workers by weights %j', (workers, weights, expected) => {
  expect(placeWorkers(workers, seats(...weights))).toEqual(expected);
});

it('leaves workers where they are, but for those that have to move', () => {
  const running = { 'cpu:0': [0, 1, 5], 'cpu:1': [2, 3, 4] };
  expect(placeWorkers(6, seats(1, 1, 1), running)).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  expect(placeWorkers(6, seats(1), running)).toEqual([[0, 1, 2, 3, 4, 5]]);
  expect(placeWorkers(6, seats(2, 1), running)).toEqual([
    [0, 1, 4, 5],
    [2, 3],
  ]);
});

it('gives a device as many workers as it is to have', () => {
  const [first, second, third] = seats(5, 1, 1);
  expect(placeWorkers(8, [{ ...first!, count: 2 }, second!, third!])).toEqual([
    [0, 1],
    [2, 3, 4],
    [5, 6, 7],
  ]);
});

it('gives every worker to one device, and every device a worker', () => {
  const random = randomSource(1);
  const upTo = (most: number) => 1 + Math.floor(most * random());
  const weights = () => Array.from({ length: upTo(12) }, () => upTo(1000));
  for (let round = 0; round < 500; round++) {
    const [before, after] = [weights(), weights()];
    const numWorkers = Math.max(before.length, after.length) + upTo(60);
    const running = placeWorkers(numWorkers, seats(...before)).map((own, index) => [`cpu:${index}`, own] as const);
    const placed = placeWorkers(numWorkers, seats(...after), Object.fromEntries(running));
    expect(placed.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: numWorkers }, (_, worker) => worker));
    expect(placed.every((own) => own.length > 0)).toBe(true);
  }
});
