import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, it } from 'vitest';
import { balanceByCost, type Cost, type CostedUnit } from './balance.ts';
import { numComponents } from './connectivity.ts';

const random = () => xoroshiro128plus(0);
const free = (numWorkers: number) => ({ numWorkers, mixing: 0, connect: false });

/** The smallest sum of squares over all ways to choose the holders. */
function bestScore(units: readonly CostedUnit[], numWorkers: number): number {
  const sums = Array.from({ length: numWorkers }, (): [number, number] => [0, 0]);
  const give = ([flops, bytes]: Cost, worker: number, sign: number) => {
    sums[worker]![0] += sign * flops;
    sums[worker]![1] += sign * bytes;
  };
  const search = (unit: number): number => {
    if (unit === units.length) return sums.reduce((score, [flops, bytes]) => score + flops ** 2 + bytes ** 2, 0);
    const { cost, numHolders } = units[unit]!;
    let best = Infinity;
    for (const workers of subsets(numWorkers, numHolders)) {
      workers.forEach((worker) => give(cost, worker, 1));
      best = Math.min(best, search(unit + 1));
      workers.forEach((worker) => give(cost, worker, -1));
    }
    return best;
  };
  return search(0);
}

function subsets(count: number, size: number, from = 0): number[][] {
  if (size === 0) return [[]];
  return Array.from({ length: count - from }, (_, index) => from + index).flatMap((first) =>
    subsets(count, size - 1, first + 1).map((rest) => [first, ...rest]),
  );
}

describe('balanceByCost', () => {
  it('splits costs evenly where that can be done', () => {
    const units = [5, 4, 3, 3, 3].map((flops): CostedUnit => ({ cost: [flops, 0], numHolders: 1 }));
    const { holders, score } = balanceByCost(units, free(2), random());
    expect(score).toBeCloseTo(9 ** 2, 12);
    expect(holders.filter(([worker]) => worker === holders[0]![0])).toHaveLength(2);
  });

  it('weighs FLOPs and bytes alike', () => {
    const units = [
      [4, 0],
      [4, 0],
      [0, 4],
      [0, 4],
    ].map(([flops, bytes]): CostedUnit => ({ cost: [flops!, bytes!], numHolders: 1 }));
    expect(balanceByCost(units, free(2), random()).score).toBeCloseTo((4 * 4 ** 2) / 2, 12);
  });

  it('is at most 5 % above the best of all assignments, for many small problems', () => {
    const draw = xoroshiro128plus(7);
    const number = (most: number) => 1 + ((draw.next() >>> 0) % most);
    for (let problem = 0; problem < 60; problem += 1) {
      const numWorkers = 2 + (problem % 3);
      const units = Array.from({ length: numWorkers === 4 ? 4 : 6 }, (): CostedUnit => ({
        cost: [number(20), number(20)],
        numHolders: number(numWorkers),
      }));
      const { holders, score } = balanceByCost(units, free(numWorkers), random());
      expect(holders.map((workers) => new Set(workers).size)).toEqual(units.map((unit) => unit.numHolders));
      expect(score * numWorkers).toBeLessThanOrEqual(1.05 * bestScore(units, numWorkers));
    }
  });

  it('joins halves that share nothing by the exchange that costs least', () => {
    // The most even way gives 8 and 1 to one pair of workers, 7 and 2 to the other; joined, 2 and 1 change places between two of them.
    const units = [8, 7, 2, 1].map((flops): CostedUnit => ({ cost: [flops, 0], numHolders: 2 }));
    expect(balanceByCost(units, free(4), random()).score).toBeCloseTo(9 ** 2, 12);
    const { holders, score } = balanceByCost(units, { ...free(4), connect: true }, random());
    expect(numComponents(holders, 4)).toBe(1);
    expect(score).toBeCloseTo((2 * 9 ** 2 + 8 ** 2 + 10 ** 2) / 4, 12);
  });

  it('mixes workers among assignments that are even alike', () => {
    // Twelve equal units, two holders each, on four workers: every pair of workers can have two in common.
    const units = Array.from({ length: 12 }, (): CostedUnit => ({ cost: [1, 1], numHolders: 2 }));
    const { holders } = balanceByCost(units, { ...free(4), mixing: 0.001 }, random());
    const pairs = new Set(holders.map((workers) => workers.join()));
    expect(pairs).toEqual(new Set(['0,1', '0,2', '0,3', '1,2', '1,3', '2,3']));
  });

  it('scores mixing by the squares of overlaps over their mean', () => {
    // Two units on workers 0, 1 and 2 of three: all overlaps are 2, as even as can be.
    const units = [1, 1].map((flops): CostedUnit => ({ cost: [flops, 0], numHolders: 3 }));
    const [plain, mixed] = [0, 0.5].map((mixing) => balanceByCost(units, { ...free(3), mixing }, random()).score);
    expect(mixed! - plain!).toBeCloseTo(0.5, 12);
  });

  it('leaves the most even assignment where nothing connects all', () => {
    const units = [3, 3].map((flops): CostedUnit => ({ cost: [flops, 0], numHolders: 2 }));
    expect(balanceByCost(units, { ...free(4), connect: true }, random()).score).toBeCloseTo(3 ** 2, 12);
  });
});
