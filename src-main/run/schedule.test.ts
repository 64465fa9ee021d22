import { expect, it } from 'vitest';
import { trainingConfig } from '../contract/runConfig.ts';
import { learningRate } from './schedule.ts';

const rates = (options: object) => {
  const training = trainingConfig.parse({ learningRate: 0.1, steps: 10, ...options });
  return Array.from({ length: training.steps }, (_, step) => learningRate(training, step));
};

function expectClose(found: number[], expected: number[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((rate, step) => expect(Math.abs(rate - expected[step]!)).toBeLessThan(1e-12));
}

it('constant with warm-up rises linearly, then stays', () => {
  expectClose(rates({ steps: 6, warmupSteps: 4 }), [0.025, 0.05, 0.075, 0.1, 0.1, 0.1]);
});

it('cosine equals PyTorch CosineAnnealingLR(T_max=8, eta_min=0.01)', () => {
  expectClose(
    rates({ steps: 8, schedule: 'cosine', finalFraction: 0.1 }),
    [
      0.1, 0.0965745789630079, 0.08681980515339463, 0.07222075445642905, 0.055, 0.03777924554357096,
      0.023180194846605363, 0.013425421036992097,
    ],
  );
});

it('onecycle equals PyTorch OneCycleLR(max_lr=0.1, total_steps=10)', () => {
  expectClose(
    rates({ schedule: 'onecycle' }),
    [
      0.004, 0.052, 0.1, 0.09504846320134738, 0.0811745653949763, 0.06112620219362893, 0.03887419780637107,
      0.0188258346050237, 0.004951936798652629, 4e-7,
    ],
  );
});

it('step drops by the factor every so many steps after warm-up', () => {
  expectClose(
    rates({ steps: 6, schedule: 'step', stepEvery: 2, stepFactor: 0.5, warmupSteps: 1 }),
    [0.1, 0.1, 0.1, 0.05, 0.05, 0.025],
  );
});

it('a one-cycle of very few steps stays finite', () => {
  for (const steps of [1, 2, 3, 10])
    expect(rates({ steps, schedule: 'onecycle', warmupShare: 0.1 }).every(Number.isFinite)).toBe(true);
});
