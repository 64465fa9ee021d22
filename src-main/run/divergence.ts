// The error of training that came to numbers that are not finite: what, where, at which learning rate, and what to try.

import type { Fault } from '../contract/records.ts';
import { UserError } from '../contract/errors.ts';

/** `step`: steps done before. */
export function divergence(
  { kind, worker, tensor }: Fault,
  step: number,
  learningRate: number,
  remedy = '',
): UserError {
  const what = {
    loss: `the loss of worker ${worker} is not finite`,
    gradient: `the gradient of ${tensor} of worker ${worker} is not finite`,
    statistic: `${tensor} of worker ${worker} is not finite`,
    parameter: `${tensor} or its optimizer state would not be finite`,
  }[kind];
  const sentence = `${what} in step ${step + 1} (learning rate ${Number(learningRate.toPrecision(6))})`;
  return new UserError('divergence', remedy === '' ? sentence : `${sentence}; ${remedy}`);
}

/** What to try for the run of that folder, whose configuration is in `file`. */
export function remedyOf(runId: string, file: string): string {
  const settings = 'training.learningRate, more training.warmupSteps or training.clipGlobalNorm';
  const goOn = `"sdp resume ${runId} --accept-changes", with --checkpoint STEP from an earlier step`;
  return `try a lower ${settings} in ${file} and continue with ${goOn}, or look for broken samples in the dataset`;
}
