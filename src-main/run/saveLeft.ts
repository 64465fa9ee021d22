// What an app that died has left of a run in memory becomes a checkpoint and lines of its log, as if the app had stopped it at that step.

import { rm } from 'node:fs/promises';
import { optimizerSpec } from '../contract/optimizers.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import type { NativeStore } from '../native.ts';
import { writeCheckpoint } from '../records/checkpoint.ts';
import { findLeftStore, takeLeftStore } from '../records/leftStores.ts';
import { LossCurveBuilder } from '../records/lossCurve.ts';
import { isStep, linesOf, stepOf, type StepLine } from '../records/metricLines.ts';
import { MetricsLog } from '../records/metricsLog.ts';
import type { RunRecord } from '../records/runRecord.ts';
import { StepMerger } from '../records/stepMerger.ts';
import { learningRate } from './schedule.ts';

/** An update in which the app died becomes whole. Whatever fails leaves the store for another try. */
export async function saveLeft(record: RunRecord): Promise<void> {
  const { folder } = record;
  const left = await findLeftStore(folder);
  const trained = left && (await folder.trained());
  if (!trained) return;
  const { step, path } = left;
  const { training, checkpoint } = trained.config;
  const store = await takeLeftStore(left);
  try {
    await store.completeUpdate(optimizerSpec(training), step - 1, learningRate(training, step - 1));
    await completeLog(record, store, step, trained.config);
    await writeCheckpoint(record, store, step, checkpoint.keep);
    record.set({ step });
    await folder.log(`the app that trained it has ended; its state of step ${step} was saved`);
    await rm(path, { force: true });
  } finally {
    await store.close();
  }
}

/** Steps that the app has not told: their losses and norms are in the store, their times are not known. */
async function completeLog(record: RunRecord, store: NativeStore, step: number, config: RunConfig): Promise<void> {
  const { folder, summary } = record;
  const { training, subnetworks } = config;
  const curve = new LossCurveBuilder(summary.curve, summary.step);
  let told = 0;
  for await (const line of linesOf(folder.file('metrics.jsonl'))) {
    if (!isStep(line)) continue;
    told = stepOf(line)!;
    if (told > summary.step && told <= step)
      curve.add(told - 1, (JSON.parse(line) as StepLine).loss as (number | null)[]);
  }
  const log = await MetricsLog.open(folder.path, folder.file('metrics.jsonl'), Math.min(told, step));
  const workers = Array.from({ length: subnetworks.workers }, (_, worker) => worker);
  const merger = new StepMerger([workers], (at) => learningRate(training, at), told, log.before.elapsedMs);
  merger.resume(step, store.notes(told, Math.max(told, step)), [workers]);
  const columns = merger.take();
  columns.step.forEach((at, row) =>
    curve.add(
      at,
      columns.loss.map((losses) => losses[row]!),
    ),
  );
  log.appendSteps(columns);
  await log.close();
  record.set({ curve: curve.value });
}
