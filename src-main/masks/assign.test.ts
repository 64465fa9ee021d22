import { describe, expect, it } from 'vitest';
import { assignMasks } from './assign.ts';
import { isConnected, unitHolders } from './connectivity.ts';

const resnet18 = {
  blocks: ['layer1.0', 'layer1.1', 'layer2.0', 'layer2.1', 'layer3.0', 'layer3.1', 'layer4.0', 'layer4.1'],
  groups: [64, 64, 128, 128, 256, 256, 512, 512].map((size, index) => ({ id: `group${index}`, size })),
};
const seeds = Array.from({ length: 20 }, (_, seed) => seed);

describe.each(['block', 'neuron'] as const)('%s masks of eight workers', (granularity) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('hold every unit exactly k = %i times, loads within one', (coverage) => {
    for (const seed of seeds) {
      const options = { numWorkers: 8, coverage, granularity, masking: 'forward' as const, seed };
      const masks = assignMasks(resnet18, options);
      expect(new Set(unitHolders(resnet18, masks).map((holders) => new Set(holders).size))).toEqual(
        new Set([coverage]),
      );
      const loadsOf = (load: (worker: number) => number) => masks.held.map((_, worker) => load(worker));
      const loads =
        granularity === 'block'
          ? [loadsOf((worker) => masks.held[worker]!.blocks.length)]
          : resnet18.groups.map((group) => loadsOf((worker) => masks.held[worker]!.neurons[group.id]!.length));
      for (const load of loads) expect(Math.max(...load) - Math.min(...load)).toBeLessThanOrEqual(1);
      expect(assignMasks(resnet18, options)).toEqual(masks);
    }
  });

  it('connect all workers from k = 2 on, where a draw can', () => {
    for (const seed of seeds) {
      const masks = assignMasks(resnet18, { numWorkers: 4, coverage: 2, granularity, masking: 'forward', seed });
      expect(isConnected(resnet18, masks)).toBe(true);
    }
  });
});

it('different seeds give different masks', () => {
  const drawn = seeds.map((seed) =>
    JSON.stringify(
      assignMasks(resnet18, { numWorkers: 4, coverage: 2, granularity: 'block', masking: 'forward', seed }),
    ),
  );
  expect(new Set(drawn).size).toBeGreaterThan(10);
});

it('masks of one holder are not connected', () => {
  const masks = assignMasks(resnet18, {
    numWorkers: 4,
    coverage: 1,
    granularity: 'block',
    masking: 'forward',
    seed: 0,
  });
  expect(isConnected(resnet18, masks)).toBe(false);
});
