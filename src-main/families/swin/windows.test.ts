import { describe, expect, it } from 'vitest';
import { mergedTokens, planWindows, relativePositions } from './windows.ts';

describe('planWindows', () => {
  it('cuts an image into windows, row by row', () => {
    const plan = planWindows([2, 4], [2, 2], false);
    expect(plan.partition).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    expect(plan.restore).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    expect([plan.numWindows, plan.size, plan.regions]).toEqual([2, 4, null]);
  });

  it('rolls a shifted image and tells what came from the other end apart', () => {
    // One row of tokens 0..5 and windows of 2 shifted by 1: 1 2 | 3 4 | 5 0.
    const plan = planWindows([1, 6], [1, 2], true);
    expect(plan.partition).toEqual([1, 2, 3, 4, 5, 0]);
    expect(plan.restore).toEqual([5, 0, 1, 2, 3, 4]);
    expect(plan.regions).toEqual([0, 0, 0, 0, 1, 2]);
  });

  it('pads at the right and at the bottom', () => {
    const plan = planWindows([1, 3], [2, 2], false);
    expect(plan.partition).toEqual([0, 1, -1, -1, 2, -1, -1, -1]);
    expect(plan.restore).toEqual([0, 1, 4]);
  });

  it.each([
    ['a window as large as the image', [4, 4] as const, [4, 4] as const],
    ['a window larger than the image', [3, 2] as const, [4, 4] as const],
  ])('does not shift %s', (_, image, window) => {
    expect(planWindows(image, window, true)).toEqual(planWindows(image, window, false));
  });

  it('shifts along one axis where a window covers the other', () => {
    const plan = planWindows([2, 4], [2, 2], true);
    expect(plan.partition).toEqual([1, 2, 5, 6, 3, 0, 7, 4]);
    expect(plan.regions).toEqual([0, 0, 0, 0, 1, 2, 1, 2]);
  });

  it('brings every token back to its place', () => {
    for (const shifted of [false, true]) {
      const { partition, restore } = planWindows([5, 7], [3, 2], shifted);
      expect(restore.map((place) => partition[place])).toEqual(Array.from({ length: 35 }, (_, token) => token));
    }
  });
});

describe('mergedTokens', () => {
  it('takes four neighbours, down before across, and zeros beyond an odd edge', () => {
    expect(mergedTokens([2, 3])).toEqual([0, 3, 1, 4, 2, 5, -1, -1]);
    expect(mergedTokens([1, 2])).toEqual([0, -1, 1, -1]);
  });
});

describe('relativePositions', () => {
  it('numbers offsets from the top left', () => {
    // Tokens 0 and 1 side by side: offsets 0, -1, 1, 0 are entries 1, 0, 2, 1 of three.
    expect(relativePositions([1, 2])).toEqual([1, 0, 2, 1]);
    expect(relativePositions([2, 1])).toEqual([1, 0, 2, 1]);
    expect(relativePositions([2, 2]).slice(0, 4)).toEqual([4, 3, 1, 0]);
  });
});
