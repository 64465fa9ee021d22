import { describe, expect, it } from 'vitest';
import { spectralGap } from './spectralGap.ts';

const all = [0, 1, 2, 3];

describe('spectralGap', () => {
  it('is 1 where all hold everything, and for one worker', () => {
    expect(spectralGap([{ scalars: 5, holders: all }], 4)).toBeCloseTo(1, 12);
    expect(spectralGap([{ scalars: 5, holders: [0] }], 1)).toBe(1);
  });

  it('is 0 where two halves share nothing, or every unit has one holder', () => {
    const halves = [
      { scalars: 3, holders: [0, 1] },
      { scalars: 5, holders: [2, 3] },
    ];
    expect(spectralGap(halves, 4)).toBeCloseTo(0, 12);
    expect(
      spectralGap(
        [0, 1, 2, 3].map((worker) => ({ scalars: 1, holders: [worker] })),
        4,
      ),
    ).toBeCloseTo(0, 12);
  });

  it('is the share of what all hold where the rest mixes two halves that share nothing else', () => {
    // On (1, 1, -1, -1) averaging over all gives 0 and averaging within the halves changes nothing: the eigenvalue is 6 / 8.
    const units = [
      { scalars: 2, holders: all },
      { scalars: 3, holders: [0, 1] },
      { scalars: 3, holders: [2, 3] },
    ];
    expect(spectralGap(units, 4)).toBeCloseTo(2 / 8, 12);
  });

  it('of a ring of pairs is (1 - cos(2 pi / N)) / N', () => {
    // Averaging a pair i, i+1 is I - (e_i - e_j)(e_i - e_j)'/2; the mean over the N pairs is I - L / (2 N) with the ring's Laplacian L,
    // whose eigenvalues are 2 - 2 cos(2 pi j / N). The second-largest of the mean is thus 1 - (1 - cos(2 pi / N)) / N.
    for (const numWorkers of [3, 4, 8, 13]) {
      const units = Array.from({ length: numWorkers }, (_, worker) => ({
        scalars: 7,
        holders: [worker, (worker + 1) % numWorkers],
      }));
      expect(spectralGap(units, numWorkers)).toBeCloseTo((1 - Math.cos((2 * Math.PI) / numWorkers)) / numWorkers, 12);
    }
  });

  it('of all pairs is 1 / (N - 1)', () => {
    // The mean over all pairs is I - L / (N (N - 1)) with the Laplacian of the complete graph, whose eigenvalues are N: 1 - 1 / (N - 1).
    const units = all.flatMap((a) => all.filter((b) => b > a).map((b) => ({ scalars: 1, holders: [a, b] })));
    expect(spectralGap(units, 4)).toBeCloseTo(1 / 3, 12);
  });

  it('weighs units by their scalars', () => {
    // Two workers: on (1, -1) what both hold gives 0, what one holds keeps it.
    const units = [
      { scalars: 30, holders: [0, 1] },
      { scalars: 10, holders: [1] },
    ];
    expect(spectralGap(units, 2)).toBeCloseTo(0.75, 12);
  });
});
