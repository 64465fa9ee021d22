import { describe, expect, it } from 'vitest';
import { tryChanges, type Choices, type Setting } from './fit.ts';

const MiB = 2 ** 20;

/** A device that needs `base`, and so much for each sample and holder, half of it with recomputation; counts what is asked. */
function device(capacityMib: number, base = 10) {
  const asked: Setting[] = [];
  const predict = (setting: Setting) => {
    asked.push(setting);
    const activations = setting.microBatch * (setting.recompute ? 0.5 : 1);
    const neededBytes = (base * setting.coverage + activations * setting.coverage) * MiB;
    return [
      { device: 'cpu:0', neededBytes: neededBytes / 2, capacityBytes: capacityMib * MiB },
      { device: 'cpu:1', neededBytes, capacityBytes: capacityMib * MiB },
    ];
  };
  return { asked, predict };
}

const summary = (trials: ReturnType<typeof tryChanges>) =>
  trials.map(({ microBatch, recompute, coverage, need, fits }) => [
    microBatch,
    recompute ? 'recompute' : 'keep',
    coverage,
    need.neededBytes / MiB,
    fits,
  ]);

const from = { microBatch: 12, recompute: false, coverage: 4 };
const choices: Choices = { microBatches: [6, 4, 3, 2, 1], microBatchMatters: false, coverages: [3, 2, 1] };

describe('tryChanges', () => {
  it('gives the least of each kind that fits, what keeps results first, naming the device with least room', () => {
    const trials = tryChanges(from, choices, device(64).predict);
    expect(summary(trials)).toEqual([
      [6, 'keep', 4, 64, true],
      [12, 'recompute', 4, 64, true],
      [12, 'keep', 2, 44, true],
    ]);
    expect(trials[0]!.need.device).toBe('cpu:1');
  });

  it('puts recomputation first where results depend on the micro-batch', () => {
    const trials = tryChanges(from, { ...choices, microBatchMatters: true }, device(64).predict);
    expect(summary(trials).map(([, recompute]) => recompute)).toEqual(['recompute', 'keep', 'keep']);
  });

  it('recomputes micro-batches where neither is enough, and says what the greatest change of each kind needs', () => {
    expect(summary(tryChanges(from, choices, device(43).predict))).toEqual([
      [1, 'keep', 4, 44, false],
      [12, 'recompute', 4, 64, false],
      [1, 'recompute', 4, 42, true],
      [12, 'keep', 1, 22, true],
    ]);
  });

  it('lowers the coverage of micro-batches where it must, keeping both as high as they can be', () => {
    expect(summary(tryChanges(from, choices, device(14).predict)).slice(-2)).toEqual([
      [12, 'keep', 1, 22, false],
      [4, 'keep', 1, 14, true],
    ]);
  });

  it('does everything where nothing less is enough', () => {
    expect(summary(tryChanges(from, choices, device(10.5).predict)).slice(-2)).toEqual([
      [1, 'keep', 1, 11, false],
      [1, 'recompute', 1, 10.5, true],
    ]);
  });

  it('says what the least possible needs where nothing fits', () => {
    expect(summary(tryChanges(from, choices, device(5).predict)).at(-1)).toEqual([1, 'recompute', 1, 10.5, false]);
  });

  it('leaves out what cannot be changed', () => {
    const lowest = { microBatch: 1, recompute: true, coverage: 3 };
    const none: Choices = { ...choices, microBatches: [], coverages: [] };
    expect(summary(tryChanges(lowest, { ...none, coverages: [2, 1] }, device(21).predict))).toEqual([
      [1, 'recompute', 2, 21, true],
    ]);
    expect(summary(tryChanges(from, { ...choices, coverages: [] }, device(42).predict)).at(-1)).toEqual([
      1,
      'recompute',
      4,
      42,
      true,
    ]);
    expect(summary(tryChanges(from, { ...none, coverages: [3, 2, 1] }, device(16).predict))).toEqual([
      [12, 'recompute', 4, 64, false],
      [12, 'keep', 1, 22, false],
      [12, 'recompute', 1, 16, true],
    ]);
    expect(tryChanges(lowest, none, device(1).predict)).toEqual([]);
  });

  it('asks little: by bisection, not one by one', () => {
    const { asked, predict } = device(2900);
    const microBatches = Array.from({ length: 719 }, (_, index) => 719 - index);
    tryChanges({ ...from, microBatch: 720 }, { ...choices, microBatches }, predict);
    expect(asked.length).toBeLessThan(20);
  });
});
