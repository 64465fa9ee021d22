// From the sums of an evaluation to its record.

import type { EvaluateResult } from '../contract/records.ts';
import type { EvaluationRecord } from '../contract/run.ts';

/** `tokens`: loss is per token, and its exponential is the perplexity. `startedAt` is of performance.now(). */
export function evaluationOf(
  sums: EvaluateResult,
  { step, tokens, startedAt }: { step: number; tokens: boolean; startedAt: number },
): EvaluationRecord {
  const loss = sums.lossSum / sums.labels;
  return {
    step,
    loss: finite(loss),
    accuracy: sums.correct / sums.labels,
    perplexity: tokens ? finite(Math.exp(loss)) : null,
    samples: sums.samples,
    seconds: (performance.now() - startedAt) / 1000,
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
