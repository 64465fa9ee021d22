// Which samples a run was trained on, and whether each was read once.

import { z } from 'zod';

/** What the order goes by in which samples are drawn, from a step on. */
export const sampling = z.object({
  step: z.number().describe('first step that it holds for'),
  seed: z.number().describe('`training.seed`'),
  samples: z.number().describe('training samples of the dataset'),
  numWorkers: z.number().describe('logical workers'),
  share: z.number().describe('samples of a worker and step'),
});
export type SamplingRecord = z.infer<typeof sampling>;

/** Steps of one epoch. */
export const ledgerRow = z.object({
  epoch: z.number().describe('from 0'),
  from: z.number().describe('its first step'),
  steps: z.number(),
  checked: z.number().describe('steps whose workers have read their samples, each once'),
  samples: z.number().describe('samples that the steps take'),
  of: z.number().describe('training samples of the dataset'),
});
export type LedgerRow = z.infer<typeof ledgerRow>;

export const sampleLedger = z.object({
  steps: z.number(),
  checked: z.number(),
  wrong: z.array(z.number()).describe('steps that were trained on other samples; at most the first hundred'),
  epochs: z.array(ledgerRow),
});
export type SampleLedger = z.infer<typeof sampleLedger>;

/** The same as a sentence. */
export function ledgerSentence({ steps, checked, wrong, epochs }: SampleLedger, count: (x: number) => string): string {
  if (steps === 0) return 'No step is logged yet.';
  const samples = count(epochs.reduce((sum, row) => sum + row.samples, 0));
  if (wrong.length > 0) return `Step ${count(wrong[0]!)} was trained on other samples than its own.`;
  if (checked === steps)
    return `${samples} samples in ${count(steps)} steps: none was skipped, none was read twice in an epoch.`;
  return `${samples} samples in ${count(steps)} steps, of which ${count(checked)} are checked: none was skipped there, none was read twice in an epoch.`;
}
