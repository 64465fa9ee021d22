import { describe, expect, it } from 'vitest';
import { createModel } from '../families/models.ts';
import { storeLayout } from './storeLayout.ts';
import { sharesOf, touchedInSteps, type Share } from './touched.ts';

const model = createModel({
  family: 'resnet',
  layers: [1, 1],
  width: 64,
  stem: 'cifar',
  channels: 3,
  image: [8, 8],
  classes: 5,
});
const options = {
  numParticipants: 2,
  optimizerSlots: ['exp_avg', 'exp_avg_sq'],
  statisticsBatches: 0,
  evaluationBatches: 1,
};
const layoutOf = (held: string[][]) =>
  storeLayout(
    model.tensors,
    { granularity: 'block', masking: 'forward', held: held.map((blocks) => ({ blocks, neurons: {} })) },
    options,
  );

const [whole] = sharesOf([{ threads: 1 }]) as [Share];
const halves = sharesOf([{ threads: 2 }, { threads: 2 }]);

it('devices share an update by their threads', () => {
  expect(sharesOf([{ threads: 3 }, { threads: 1 }])).toEqual([
    { from: 0, to: 3, of: 4 },
    { from: 3, to: 4, of: 4 },
  ]);
  const layout = layoutOf([model.blocks, model.blocks]);
  const [large, small] = sharesOf([{ threads: 3 }, { threads: 1 }]).map(
    (share, worker) => touchedInSteps(layout, { share, workers: [worker], whole: false }).optimizer,
  );
  expect(large! / small!).toBeGreaterThan(2.5);
});

describe('touchedInSteps', () => {
  it('is the whole store where one device runs all workers', () => {
    const layout = layoutOf([model.blocks, model.blocks]);
    expect(touchedInSteps(layout, { share: whole, workers: [0, 1], whole: false })).toEqual({
      weights: 4 * layout.valuesSize,
      gradients: 4 * (layout.slabSizes[0]! + layout.slabSizes[1]!),
      optimizer: 2 * 4 * layout.parameterSize,
    });
  });

  it('shares the optimizer out, and reads the gradients of others in the share alone', () => {
    const layout = layoutOf([model.blocks, model.blocks]);
    const parts = [0, 1].map((worker) =>
      touchedInSteps(layout, { share: halves[worker]!, workers: [worker], whole: false }),
    );
    const optimizer = parts[0]!.optimizer + parts[1]!.optimizer;
    expect(optimizer).toBeGreaterThanOrEqual(2 * 4 * layout.parameterSize);
    expect(optimizer).toBeLessThan(2 * 4 * layout.parameterSize + 2 * 2 * 64 * 1024);
    const slabBytes = 4 * layout.slabSizes[0]!;
    for (const { gradients } of parts) {
      expect(gradients).toBeGreaterThan(1.4 * slabBytes);
      expect(gradients).toBeLessThan(1.6 * slabBytes);
    }
  });

  it('leaves out the weights of blocks that are neither held nor in the share', () => {
    const [first, second] = model.blocks as [string, string];
    const layout = layoutOf([[first], [second]]);
    const weights = [0, 1].map(
      (worker) => touchedInSteps(layout, { share: halves[worker]!, workers: [worker], whole: false }).weights,
    );
    expect(Math.min(...weights)).toBeLessThan(0.8 * 4 * layout.valuesSize);
    expect(touchedInSteps(layout, { share: halves[0]!, workers: [0], whole: true }).weights).toBe(
      4 * layout.valuesSize,
    );
  });
});
