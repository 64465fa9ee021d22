import { expect, test } from 'vitest';
import { moveCell, rowHeights, runsOf, stripPath } from './matrix.ts';

test('consecutive indices become one run', () => {
  expect(runsOf([0, 1, 2, 5, 7, 8])).toEqual([
    [0, 3],
    [5, 1],
    [7, 2],
  ]);
  expect(stripPath([0, 1, 5])).toBe('M0 0h2v1h-2zM5 0h1v1h-1z');
  expect(stripPath([])).toBe('');
});

test('rows grow with the square root of their size between least and most', () => {
  expect(rowHeights([1, 4, 9], 1, 6, 10)).toEqual([2, 3, 4]);
  expect(rowHeights([1, 10_000], 1, 6, 3)).toEqual([expect.closeTo(1.059, 3), 3]);
  expect(rowHeights([0, 0], 1, 6, 3)).toEqual([1, 1]);
});

test('arrow keys, Home and End move in the grid and stay at its edges', () => {
  const from = (at: [number, number], ...keys: string[]) => keys.map((key) => moveCell(key, at, [3, 4]));
  expect(from([1, 1], 'ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'Home', 'End', 'a')).toEqual([
    [0, 1],
    [2, 1],
    [1, 0],
    [1, 2],
    [1, 0],
    [1, 3],
    null,
  ]);
  expect(from([0, 0], 'ArrowUp', 'ArrowLeft')).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(from([2, 3], 'ArrowDown', 'ArrowRight')).toEqual([
    [2, 3],
    [2, 3],
  ]);
});
