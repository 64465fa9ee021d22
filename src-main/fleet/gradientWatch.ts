// Norms of the gradients by unit of the plan and worker, read from the store while its devices train.
//
// Measuring takes part of a step, so it is asked for: each look takes what was measured since the one before, and asks for the next.

import type { GradientRecord } from '../contract/run.ts';
import { createModel } from '../families/models.ts';
import type { NativeStore } from '../native.ts';
import type { PreparedRun } from '../plan/prepare.ts';

type Rows = Pick<PreparedRun, 'spec' | 'plan'>;

export class GradientWatch {
  private readonly rows: number[];
  private readonly count: number;
  private readonly numWorkers: number;
  private step = 0;

  constructor(
    private readonly store: Pick<NativeStore, 'gradientNorms' | 'requestNorms'>,
    run: Rows,
  ) {
    this.rows = gradientRows(run);
    this.count = run.plan.units.length + 1;
    this.numWorkers = run.plan.numWorkers;
    store.requestNorms();
  }

  /** What was measured since the last call; null where there is nothing new. */
  take(): GradientRecord | null {
    const found = this.store.gradientNorms(this.rows, this.count);
    this.store.requestNorms();
    if (!found || found.step === this.step) return null;
    this.step = found.step;
    const ofRow = (row: number) => found.holders.slice(row * this.numWorkers, (row + 1) * this.numWorkers);
    return {
      step: found.step,
      norms: found.mean.map((_, row) => ofRow(row).map(finite)),
      mean: found.mean.map(finite),
      disagreement: found.disagreement.map(finite),
    };
  }
}

/** Row of each tensor of the store: the place of its unit in the plan; behind the units, what is in none of them. */
export function gradientRows({ spec, plan }: Rows): number[] {
  const rowOf = new Map(plan.units.map(({ id }, row) => [id, row]));
  return createModel(spec).tensors.map(({ block, neurons }) => {
    const unit = plan.granularity === 'block' ? block : neurons?.group;
    return rowOf.get(unit ?? '') ?? plan.units.length;
  });
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
