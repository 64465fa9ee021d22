// Work on a checkpoint with a fleet of its own: full-network evaluation, and export.

import { join } from 'node:path';
import type { ExportChoices, ExportFormat } from '../contract/exportFormat.ts';
import type { EvaluationRecord, ExportResult } from '../contract/run.ts';
import { findCheckpoint, olderCheckpoint, type FoundCheckpoint } from '../records/checkpoint.ts';
import { findLeftStore } from '../records/leftStores.ts';
import { datasetWarning } from './datasetChange.ts';
import { notesOf, onnxFormOf } from './exportNotes.ts';
import { checkFormat, exportStore } from './exportRun.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { evaluationOf } from './metrics.ts';
import { openFleet, prepareFromHome, type RunHost } from '../fleet/openFleet.ts';
import type { PreparedRun } from '../plan/prepare.ts';
import { familyOf } from '../families/configs.ts';
import type { RunFolder } from '../records/runFolder.ts';
import { prepareOn } from './runDevices.ts';
import { runDataset } from './runTokenizer.ts';

/** Metrics of the full network at a checkpoint (default: the newest whole one) on the evaluation samples of the run. */
export async function evaluateRun(host: RunHost, folder: RunFolder, step?: number): Promise<EvaluationRecord & Warned> {
  return withCheckpoint(host, folder, step, undefined, async (fleet, prepared, at) => {
    const startedAt = performance.now();
    const tokens = prepared.setup.evaluation.source.reads.kind === 'tokens';
    return evaluationOf(await fleet.evaluate(prepared.evaluationSamples), { step: at, tokens, startedAt });
  });
}

/** Exports a checkpoint. */
export async function exportRun(
  host: RunHost,
  folder: RunFolder,
  format: ExportFormat,
  options: ExportChoices = {},
): Promise<ExportResult> {
  const { name, model } = await folder.readConfig();
  const { reads } = familyOf(model);
  const dataset = await runDataset(host.home, folder);
  const { type = 'float32' } = options;
  const what = { format, type, name, dataset, form: onnxFormOf(format, reads, options) };
  const check = (prepared: PreparedRun) => checkFormat(host.home, prepared.spec, what);
  return withCheckpoint(host, folder, options.step, check, async (fleet, prepared, step) => {
    const isOfLibrary = format === 'timm' || format === 'huggingface';
    const own = isOfLibrary ? format : type === 'float32' ? '' : `${format}-${type}`;
    const out = options.out ?? folder.file(join('exports', `step-${String(step).padStart(8, '0')}`, own));
    const described = familyOf(model).describe(model);
    const notes = await notesOf(host.home, prepared, dataset, { described, step, license: options.license });
    return exportStore(host, fleet, prepared, { ...what, step, out, notes });
  });
}

/** Says what an app that died has left of the run, where that is newer. */
async function newerState(folder: RunFolder, step: number): Promise<string | undefined> {
  const { state } = await folder.readState();
  const left = state === 'interrupted' ? await findLeftStore(folder) : undefined;
  if (!left || left.step <= step) return undefined;
  return `this is step ${step}; the state of step ${left.step} is in memory until the run is resumed or deleted`;
}

interface Warned {
  /** What the user should know: a checkpoint that is not the newest, other samples. */
  warning?: string;
}

/** Work with the checkpoint, once it is checked, while the samples are looked at; the result says where they have changed, and where newer checkpoints are damaged. */
async function withCheckpoint<T extends object>(
  host: RunHost,
  folder: RunFolder,
  step: number | undefined,
  check: ((prepared: PreparedRun) => Promise<void>) | undefined,
  work: (fleet: Fleet, prepared: PreparedRun, step: number) => Promise<T>,
): Promise<T & Warned> {
  let found: FoundCheckpoint = { step: await findCheckpoint(folder, step), isNewest: true, problems: [] };
  const config = await folder.readConfig();
  const prepared = await prepareFromHome(host, config);
  await check?.(prepared);
  const from = { kind: 'checkpoint', folder, step, optimizer: false } as const;
  const fleet = await openFleet(host, prepared, from, {
    onCheckpoint: (read) => (found = read),
    replan: (devices) => prepareOn(host, config, devices),
  });
  try {
    const [result, otherSamples, newer] = await Promise.all([
      work(fleet, prepared, found.step),
      datasetWarning(host.home, folder),
      step === undefined ? newerState(folder, found.step) : undefined,
    ]);
    const warnings = [olderCheckpoint(found), otherSamples, newer].filter((sentence) => sentence !== undefined);
    return warnings.length === 0 ? result : { ...result, warning: warnings.join('; ') };
  } finally {
    await fleet.close();
  }
}
