// The error of a run that came to numbers that are not finite: what, where, at which learning rate, and what to try.

import type { Fault } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';

/** `step`: steps done before, whose parameters are kept. */
export function divergence({ kind, worker, tensor }: Fault, step: number, learningRate: number): UserError {
  const what = {
    loss: `the loss of worker ${worker} is not finite`,
    gradient: `the gradient of ${tensor} of worker ${worker} is not finite`,
    statistic: `${tensor} of worker ${worker} is not finite`,
    parameter: `${tensor} or its optimizer state would not be finite`,
  }[kind];
  const where = `in step ${step + 1} (learning rate ${Number(learningRate.toPrecision(6))})`;
  const kept = `the parameters before it are kept as the checkpoint of step ${step}`;
  const remedy = 'try a lower training.learningRate, training.clipGlobalNorm or training.warmupSteps';
  const data = kind === 'parameter' ? '' : ', and look for broken samples in the dataset';
  return new UserError('divergence', `${what} ${where}; ${kept}; ${remedy}${data}`);
}
