import { expect, it } from 'vitest';
import { newShares } from './takeOver.ts';

const cpu = (index: number, ...workers: number[]) => ({ id: `cpu:${index}`, kind: 'cpu' as const, workers });
const planned = [cpu(0, 0, 1), cpu(1, 2, 3), cpu(2, 4)];

it('the device with the fewest workers takes the next of one that is gone', () => {
  expect(newShares(planned, [planned[1]!, planned[2]!])).toEqual(
    new Map([
      ['cpu:2', [0]],
      ['cpu:1', [1]],
    ]),
  );
});

it('those that others have taken over already stay where they are', () => {
  expect(newShares(planned, [cpu(1, 2, 3, 1), cpu(2, 4, 0)])).toEqual(new Map());
});

it('a worker stays on devices of its kind', () => {
  const mixed = [{ id: 'cuda:0', kind: 'cuda' as const, workers: [0] }, cpu(0, 1)];
  expect(newShares(mixed, [mixed[1]!])).toBeNull();
  expect(newShares(mixed, [])).toBeNull();
});
