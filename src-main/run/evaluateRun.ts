// Work on a checkpoint with a fleet of its own: full-network evaluation, and export.

import { join } from 'node:path';
import type { EvaluationRecord, ExportFormat, ExportResult } from '../contract/run.ts';
import { findCheckpoint } from './checkpoint.ts';
import { datasetWarning } from './datasetChange.ts';
import { exportStore } from './exportRun.ts';
import type { Fleet } from './fleet.ts';
import { evaluationOf } from './metrics.ts';
import { openFleet, prepareFromHome, type RunHost } from './openFleet.ts';
import type { PreparedRun } from './prepare.ts';
import type { RunFolder } from './runFolder.ts';
import { runTokenizer } from './runTokenizer.ts';

/** Metrics of the full network at a checkpoint (default: the newest) on the evaluation samples of the run. */
export async function evaluateRun(host: RunHost, folder: RunFolder, step?: number): Promise<EvaluationRecord & Warned> {
  return withCheckpoint(host, folder, step, async (fleet, prepared, at) => {
    const startedAt = performance.now();
    const tokens = prepared.setup.evaluation.source.kind === 'tokens';
    return evaluationOf(await fleet.evaluate(prepared.evaluationSamples), { step: at, tokens, startedAt });
  });
}

/** Exports the newest checkpoint (or `step`); default folder: the run's exports/step-N. */
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

interface Warned {
  /** What the user should know, one sentence. */
  warning?: string;
}

/** Work with the checkpoint while the samples are looked at; the result says where they have changed. */
async function withCheckpoint<T extends object>(
  host: RunHost,
  folder: RunFolder,
  step: number | undefined,
  work: (fleet: Fleet, prepared: PreparedRun, step: number) => Promise<T>,
): Promise<T & Warned> {
  const at = await findCheckpoint(folder, step);
  const prepared = await prepareFromHome(host, await folder.readConfig());
  const fleet = await openFleet(host, prepared, { kind: 'checkpoint', folder, step: at, optimizer: false });
  try {
    const [result, warning] = await Promise.all([work(fleet, prepared, at), datasetWarning(host.home, folder)]);
    return warning === undefined ? result : { ...result, warning };
  } finally {
    await fleet.close();
  }
}
