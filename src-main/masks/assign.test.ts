import { describe, expect, it } from 'vitest';
import { imbalance } from '../contract/plan.ts';
import type { Masks } from '../models/model.ts';
import { assignMasks, type MaskOptions } from './assign.ts';
import type { Cost } from './balance.ts';
import { isConnected, unitHolders } from './connectivity.ts';

/** Blocks of ResNet-18, and its groups at width 8. */
const resnet18 = {
  blocks: ['layer1.0', 'layer1.1', 'layer2.0', 'layer2.1', 'layer3.0', 'layer3.1', 'layer4.0', 'layer4.1'],
  groups: [8, 8, 16, 16, 32, 32, 64, 64].map((size, index) => ({ id: `group${index}`, size })),
};
/** Sizes that leave a remainder for every number of workers. */
const uneven = {
  blocks: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
  groups: [3, 10, 17, 29].map((size, index) => ({ id: `group${index}`, size })),
};
const seeds = Array.from({ length: 20 }, (_, seed) => seed);

/** Shares of FLOPs and bytes that differ widely, keyed by a model's units. */
const costsOf = (count: number): Cost[] =>
  Array.from({ length: count }, (_, unit) => [(1 + ((unit * 7) % 5)) / 20, (1 + ((unit * 3) % 11)) / 40]);

function assign(model: typeof resnet18, options: Partial<MaskOptions>): Masks {
  const all: MaskOptions = {
    numWorkers: 8,
    coverage: 3,
    granularity: 'block',
    masking: 'forward',
    assignment: 'count',
    seed: 0,
    ...options,
  };
  return assignMasks(model, all, () =>
    costsOf(all.granularity === 'block' ? model.blocks.length : model.groups.length),
  );
}

/** Numbers of units that each worker holds: of all blocks, or of every group by itself. */
function loadsOf(model: typeof resnet18, masks: Masks): number[][] {
  return masks.granularity === 'block'
    ? [masks.held.map((held) => held.blocks.length)]
    : model.groups.map(({ id }) => masks.held.map((held) => held.neurons[id]!.length));
}

const spread = (loads: readonly number[]) => Math.max(...loads) - Math.min(...loads);

describe.each(['count', 'cost', 'cyclic'] as const)('masks by %s', (assignment) => {
  describe.each(['block', 'neuron'] as const)('of %ss', (granularity) => {
    it.each([1, 2, 3, 4, 5, 6, 7, 8])(
      'hold every unit exactly k = %i times, the same for the same seed',
      (coverage) => {
        for (const model of [resnet18, uneven])
          for (const numWorkers of new Set([coverage, 8, 11])) {
            const options = { assignment, granularity, coverage, numWorkers };
            const drawn = seeds.map((seed) => assign(model, { ...options, seed }));
            const counts = drawn.flatMap((masks) => unitHolders(model, masks).map((holders) => new Set(holders).size));
            expect(new Set(counts)).toEqual(new Set([coverage]));
            expect(new Set(drawn.map((masks) => masks.held.length))).toEqual(new Set([numWorkers]));
            expect(assign(model, { ...options, seed: 3 })).toEqual(drawn[3]);
          }
      },
    );
  });
});

describe('loads', () => {
  it('by count differ by at most one, of all blocks or in every group', () => {
    for (const seed of seeds)
      for (const granularity of ['block', 'neuron'] as const)
        for (const model of [resnet18, uneven])
          for (const coverage of [1, 2, 3, 5, 7]) {
            const masks = assign(model, { seed, granularity, coverage });
            for (const loads of loadsOf(model, masks)) expect(spread(loads)).toBeLessThanOrEqual(1);
          }
  });

  it('by cost of neurons differ by at most one in every group, and spread the remainders over the workers', () => {
    const costs = costsOf(uneven.groups.length);
    const flopsOf = (masks: Masks) =>
      masks.held.map((held) =>
        uneven.groups.reduce((sum, { id }, group) => sum + held.neurons[id]!.length * costs[group]![0], 0),
      );
    for (const seed of seeds)
      for (const coverage of [1, 2, 3, 5, 7]) {
        const options = { seed, granularity: 'neuron' as const, coverage };
        const byCost = assign(uneven, { ...options, assignment: 'cost' });
        for (const loads of loadsOf(uneven, byCost)) expect(spread(loads)).toBeLessThanOrEqual(1);
        const byCount = assign(uneven, options);
        expect(imbalance(flopsOf(byCost))).toBeLessThanOrEqual(imbalance(flopsOf(byCount)) + 1e-9);
      }
  });
});

it('cyclic masks give unit u to the workers from u on', () => {
  expect(unitHolders(uneven, assign(uneven, { assignment: 'cyclic', numWorkers: 4, coverage: 2 }))).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [0, 3],
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
  const neurons = assign(uneven, { assignment: 'cyclic', numWorkers: 4, coverage: 2, granularity: 'neuron' });
  expect(neurons.held.map((held) => held.neurons.group0)).toEqual([[0], [0, 1], [1, 2], [2]]);
});

it.each(['block', 'neuron'] as const)('%s masks connect all workers from k = 2 on, where a draw can', (granularity) => {
  for (const seed of seeds)
    for (const assignment of ['count', 'cost'] as const) {
      const masks = assign(resnet18, { numWorkers: 4, coverage: 2, granularity, assignment, seed });
      expect(isConnected(resnet18, masks)).toBe(true);
    }
});

it('costs are not asked for where every worker costs the same anyway', () => {
  const fail = () => {
    throw new Error('asked for');
  };
  const options = { numWorkers: 8, masking: 'forward', assignment: 'cost', seed: 0 } as const;
  expect(() => assignMasks(resnet18, { ...options, granularity: 'block', coverage: 8 }, fail)).not.toThrow();
  expect(() => assignMasks(resnet18, { ...options, granularity: 'neuron', coverage: 3 }, fail)).not.toThrow();
  expect(() => assignMasks(resnet18, { ...options, granularity: 'block', coverage: 3 }, fail)).toThrow('asked for');
});

it('different seeds give different masks', () => {
  const drawn = seeds.map((seed) => JSON.stringify(assign(resnet18, { numWorkers: 4, coverage: 2, seed })));
  expect(new Set(drawn).size).toBeGreaterThan(10);
});

it('masks of one holder are not connected', () => {
  expect(isConnected(resnet18, assign(resnet18, { numWorkers: 4, coverage: 1 }))).toBe(false);
});
