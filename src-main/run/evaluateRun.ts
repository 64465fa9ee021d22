// Work on a checkpoint with a fleet of its own: full-network evaluation, and export.

import { join } from 'node:path';
import type { EvaluationRecord, ExportFormat, ExportResult } from '../contract/run.ts';
import { findCheckpoint } from './checkpoint.ts';
import { exportStore } from './exportRun.ts';
import type { Fleet } from './fleet.ts';
import { evaluationOf } from './metrics.ts';
import { openFleet, prepareFromHome, type RunHost } from './openFleet.ts';
import type { PreparedRun } from './prepare.ts';
import type { RunFolder } from './runFolder.ts';
import { runTokenizer } from './runTokenizer.ts';

/** Metrics of the full network at a checkpoint (default: the newest whole one) on the evaluation samples of the run. */
export async function evaluateRun(host: RunHost, folder: RunFolder, step?: number): Promise<EvaluationRecord> {
  return withCheckpoint(host, folder, step, async (fleet, prepared, at) => {
    const startedAt = performance.now();
    const tokens = prepared.setup.evaluation.source.kind === 'tokens';
    return evaluationOf(await fleet.evaluate(prepared.evaluationSamples), { step: at, tokens, startedAt });
  });
}

/** Exports the newest whole checkpoint (or `step`); default folder: the run's exports/step-N. */
export async function exportRun(
  host: RunHost,
  folder: RunFolder,
  format: ExportFormat,
  options: { out?: string; step?: number } = {},
): Promise<ExportResult> {
  return withCheckpoint(host, folder, options.step, async (fleet, prepared, step) => {
    const out = options.out ?? folder.file(join('exports', `step-${String(step).padStart(8, '0')}`));
    const tokenizer = await runTokenizer(host.home, folder);
    return exportStore(fleet, prepared, { format, step, out, tokenizer });
  });
}

async function withCheckpoint<T>(
  host: RunHost,
  folder: RunFolder,
  step: number | undefined,
  work: (fleet: Fleet, prepared: PreparedRun, step: number) => Promise<T>,
): Promise<T> {
  let at = await findCheckpoint(folder, step);
  const prepared = await prepareFromHome(host, await folder.readConfig());
  const from = { kind: 'checkpoint', folder, step, optimizer: false } as const;
  const fleet = await openFleet(host, prepared, from, { onCheckpoint: (found) => (at = found.step) });
  try {
    return await work(fleet, prepared, at);
  } finally {
    await fleet.close();
  }
}
