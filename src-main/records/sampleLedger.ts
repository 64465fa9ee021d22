// Which samples the steps of a run were trained on, checked: the log has for each step what the checksums of the samples that the workers have read
// add up to, and the sampling order says what they are to be. They agree where each worker has read its own samples, and those once.

import { sampling, type LedgerRow, type SampleLedger, type SamplingRecord } from '../contract/ledger.ts';
import { native } from '../native.ts';
import { isStep, linesOf, stepOf } from './metricLines.ts';

/** Steps of one order of sampling. */
interface Stretch extends SamplingRecord {
  /** By step from `step` on; not a number where the log has none. */
  sums: number[];
}

const mostWrong = 100;

/** Of the steps that a log has. */
export async function readLedger(path: string): Promise<SampleLedger> {
  const stretches = await readStretches(path);
  const rows: LedgerRow[] = [];
  const wrong: number[] = [];
  for (const stretch of stretches) {
    const { step, sums, ...order } = stretch;
    const expected = await native().sampleChecksums(order, step, step + sums.length);
    sums.forEach((sum, index) => sum !== expected[index] && !Number.isNaN(sum) && wrong.push(step + index));
    rows.push(...rowsOf(stretch, (index) => sums[index] === expected[index]));
  }
  const steps = rows.reduce((sum, row) => sum + row.steps, 0);
  const checked = rows.reduce((sum, row) => sum + row.checked, 0);
  return { steps, checked, wrong: wrong.slice(0, mostWrong), epochs: rows };
}

async function readStretches(path: string): Promise<Stretch[]> {
  const stretches: Stretch[] = [];
  for await (const line of linesOf(path)) {
    const last = stretches.at(-1);
    if (isStep(line)) {
      const step = stepOf(line)! - 1;
      const sum = /"samples":(\d+)/.exec(line)?.[1];
      if (!last || step < last.step) continue;
      while (last.sums.length < step - last.step) last.sums.push(NaN);
      last.sums.push(Number(sum ?? NaN));
    } else if (line.startsWith('{"sampling":')) {
      const { data } = sampling.safeParse((JSON.parse(line) as { sampling: unknown }).sampling);
      if (data && !(last && isSame(last, data))) stretches.push({ ...data, sums: [] });
    }
  }
  return stretches;
}

const isSame = (a: SamplingRecord, b: SamplingRecord): boolean =>
  a.seed === b.seed && a.samples === b.samples && a.numWorkers === b.numWorkers && a.share === b.share;

/** By epoch. */
function rowsOf(
  { step, sums, samples, numWorkers, share }: Stretch,
  isChecked: (index: number) => boolean,
): LedgerRow[] {
  const batch = numWorkers * share;
  const stepsOfEpoch = Math.floor(samples / batch);
  const rows: LedgerRow[] = [];
  sums.forEach((_, index) => {
    const epoch = Math.floor((step + index) / stepsOfEpoch);
    if (rows.at(-1)?.epoch !== epoch)
      rows.push({ epoch, from: step + index, steps: 0, checked: 0, samples: 0, of: samples });
    const row = rows.at(-1)!;
    row.steps += 1;
    row.samples += batch;
    if (isChecked(index)) row.checked += 1;
  });
  return rows;
}
