import { describe, expect, it } from 'vitest';
import { tryChanges, type Setting } from './fit.ts';

const MiB = 2 ** 20;

/** A device that needs `base` and so much for each sample and holder; counts what is asked. */
function device(capacityMib: number, base = 10) {
  const asked: Setting[] = [];
  const predict = (setting: Setting) => {
    asked.push(setting);
    const neededBytes = (base + setting.microBatch * setting.coverage) * MiB;
    return [
      { device: 'cpu:0', neededBytes: neededBytes / 2, capacityBytes: capacityMib * MiB },
      { device: 'cpu:1', neededBytes, capacityBytes: capacityMib * MiB },
    ];
  };
  return { asked, predict };
}

const summary = (trials: ReturnType<typeof tryChanges>) =>
  trials.map(({ microBatch, coverage, need, fits }) => [microBatch, coverage, need.neededBytes / MiB, fits]);

const from = { microBatch: 12, coverage: 4 };

describe('tryChanges', () => {
  it('gives the largest divisor and the highest coverage that fit, naming the device with least room', () => {
    const { predict } = device(40);
    const trials = tryChanges(from, [3, 2, 1], predict);
    expect(summary(trials)).toEqual([
      [6, 4, 34, true],
      [12, 2, 34, true],
    ]);
    expect(trials[0]!.need.device).toBe('cpu:1');
  });

  it('says what the greatest change of a kind needs where none of that kind fits', () => {
    expect(summary(tryChanges(from, [3, 2, 1], device(20).predict))).toEqual([
      [2, 4, 18, true],
      [12, 1, 22, false],
    ]);
  });

  it('changes both where neither is enough, and keeps the coverage as high as it can be', () => {
    expect(summary(tryChanges(from, [3, 2, 1], device(13).predict))).toEqual([
      [1, 4, 14, false],
      [12, 1, 22, false],
      [1, 3, 13, true],
    ]);
  });

  it('says what the least possible needs where nothing fits', () => {
    expect(summary(tryChanges(from, [3, 2, 1], device(5).predict)).at(-1)).toEqual([1, 1, 11, false]);
  });

  it('leaves out what cannot be changed', () => {
    expect(summary(tryChanges({ microBatch: 1, coverage: 3 }, [2, 1], device(12).predict))).toEqual([[1, 2, 12, true]]);
    expect(summary(tryChanges(from, [], device(40).predict))).toEqual([[6, 4, 34, true]]);
    expect(tryChanges({ microBatch: 1, coverage: 1 }, [], device(1).predict)).toEqual([]);
  });

  it('asks little: by bisection, not one by one', () => {
    const { asked, predict } = device(700);
    tryChanges({ microBatch: 720, coverage: 4 }, [3, 2, 1], predict);
    expect(asked.length).toBeLessThan(10);
  });
});
