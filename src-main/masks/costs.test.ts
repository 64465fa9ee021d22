// Balance of the assignment by cost on ResNet-18 (width 64, CIFAR stem, 32x32), with the costs of its real training graphs.

import { describe, expect, it } from 'vitest';
import { imbalance } from '../contract/plan.ts';
import { graphFlops } from '../graph/flops.ts';
import { createResNet } from '../families/resnet/model.ts';
import { assignMasks } from './assign.ts';
import type { Cost } from './balance.ts';
import { isConnected, unitHolders } from './connectivity.ts';
import { unitCosts } from './costs.ts';

const resnet18 = createResNet({
  layers: [2, 2, 2, 2],
  width: 64,
  stem: 'cifar',
  channels: 3,
  image: [32, 32],
  classes: 10,
});
const batch = 16;

const costs = new Map<string, Cost[]>();
const flops = new Map<string, number>();

function costsOf(masking: 'forward' | 'backward'): Cost[] {
  const found = costs.get(masking) ?? unitCosts(resnet18, { granularity: 'block', masking, batch });
  costs.set(masking, found);
  return found;
}

/** FLOPs of the whole training graph of a worker that holds these blocks. */
function flopsOf(blocks: string[], masking: 'forward' | 'backward'): number {
  const key = `${masking} ${blocks.join()}`;
  const held = { blocks, neurons: {} };
  const found =
    flops.get(key) ?? graphFlops(resnet18.training({ batch, granularity: 'block', masking, held }).graph) / batch;
  flops.set(key, found);
  return found;
}

const everyCoverage = [4, 8].flatMap((numWorkers) =>
  Array.from({ length: numWorkers }, (_, index) => [numWorkers, index + 1] as const),
);

describe('masks of ResNet-18 by cost', () => {
  it.each(everyCoverage)(
    'with %i workers and k = %i connect all and bring the slowest near the mean',
    (numWorkers, k) => {
      for (const seed of [0, 1, 2]) {
        const masks = assignMasks(
          resnet18,
          { numWorkers, coverage: k, granularity: 'block', masking: 'forward', assignment: 'cost', seed },
          () => costsOf('forward'),
        );
        expect(new Set(unitHolders(resnet18, masks).map((holders) => holders.length))).toEqual(new Set([k]));
        expect(isConnected(resnet18, masks)).toBe(k > 1);
        expect(imbalance(masks.held.map((held) => flopsOf(held.blocks, 'forward')))).toBeLessThanOrEqual(0.1);
      }
    },
  );
});
