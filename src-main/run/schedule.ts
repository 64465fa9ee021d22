// Learning rate of each step: warm-up, then constant, cosine, one-cycle or step decay.
//
// `onecycle` is PyTorch's OneCycleLR with its defaults (cosine annealing, div_factor 25, final_div_factor 1e4) and has its own rise,
// so warmupSteps does not apply to it.

import type { RunConfig } from '../contract/runConfig.ts';

type Training = RunConfig['training'];

/** Learning rate of step 0 <= step < training.steps. */
export function learningRate(training: Training, step: number): number {
  if (training.schedule === 'onecycle') return oneCycle(training, step);
  if (step < training.warmupSteps) return (training.learningRate * (step + 1)) / training.warmupSteps;
  const since = step - training.warmupSteps;
  switch (training.schedule) {
    case 'constant':
      return training.learningRate;
    case 'step':
      return training.learningRate * training.stepFactor ** Math.floor(since / training.stepEvery);
    case 'cosine': {
      const share = since / Math.max(1, training.steps - training.warmupSteps);
      return anneal(training.learningRate, training.learningRate * training.finalFraction, share);
    }
  }
}

/** Cosine from `start` (share 0) to `end` (share 1). */
function anneal(start: number, end: number, share: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;
}

function oneCycle(training: Training, step: number): number {
  const initial = training.learningRate / 25;
  const peakStep = training.warmupShare * training.steps - 1;
  if (peakStep > 0 && step <= peakStep) return anneal(initial, training.learningRate, step / peakStep);
  return anneal(training.learningRate, initial / 1e4, (step - peakStep) / (training.steps - 1 - peakStep));
}
