import { expect, test } from 'vitest';
import { memoryCategories, memoryScale } from './memoryScale.ts';

test('the scale reaches to the largest bar, and to a capacity that is near', () => {
  expect(memoryScale([10, 20], [1000])).toBe(20);
  expect(memoryScale([10, 20], [40, 1000])).toBe(40);
  expect(memoryScale([], [])).toBe(1);
});

test('the categories are those of the contract', () => {
  expect(memoryCategories).toEqual(
    expect.arrayContaining(['weights', 'gradients', 'optimizer', 'activations', 'workspace']),
  );
  expect(memoryCategories).not.toContain('total');
});
