// Work on a checkpoint with a fleet of its own: full-network evaluation, and export.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvaluationRecord, ExportFormat, ExportResult } from '../contract/run.ts';
import { readNormalisedImages } from '../data/images.ts';
import { exportOnnx } from '../export/onnxExport.ts';
import { logitsOfOnnx, logitsOfSafetensors, verifyLogits } from '../export/verify.ts';
import type { Int64Tensor } from '../native.ts';
import { findCheckpoint } from './checkpoint.ts';
import type { Fleet } from './fleet.ts';
import { openFleet, prepareFromHome, type RunHost } from './openFleet.ts';
import type { PreparedRun } from './prepare.ts';
import type { RunFolder } from './runFolder.ts';

/** Metrics of the full network at a checkpoint (default: the newest) on the evaluation samples of the run. */
export async function evaluateRun(host: RunHost, folder: RunFolder, step?: number): Promise<EvaluationRecord> {
  return withCheckpoint(host, folder, step, async (fleet, prepared, at) => {
    const startedAt = performance.now();
    const { lossSum, correct, samples } = await fleet.evaluate(prepared.evaluationSamples);
    const loss = lossSum / samples;
    return {
      step: at,
      loss: Number.isFinite(loss) ? loss : null,
      accuracy: correct / samples,
      samples,
      seconds: (performance.now() - startedAt) / 1000,
    };
  });
}

/**
 * Writes the newest checkpoint (or `step`) for the ecosystem, with the statistics and branch scaling of evaluation folded in, reloads the
 * file and compares its logits with the engine's. Default folder: the run's exports/step-N. A file that does not agree is removed.
 */
export async function exportRun(
  host: RunHost,
  folder: RunFolder,
  format: ExportFormat,
  options: { out?: string; step?: number } = {},
): Promise<ExportResult> {
  return withCheckpoint(host, folder, options.step, async (fleet, prepared, step) => {
    const { evaluation, model } = prepared.setup;
    const samples = Math.min(evaluation.batch, prepared.evaluationSamples);
    await fleet.evaluate(samples);
    const expected = await fleet.logits(samples, 1);
    const out = options.out ?? folder.file(join('exports', `step-${String(step).padStart(8, '0')}`));
    await mkdir(out, { recursive: true });
    const weights = join(out, format === 'safetensors' ? 'model.safetensors' : '.weights.partial');
    const file = join(out, `model.${format}`);
    try {
      await fleet.store.writeValues(weights, {
        scales: prepared.scales,
        statistics: evaluation.statisticsBatches > 0,
        int64: libraryIntegers(prepared, step),
        metadata: { format: 'pt', step: String(step), model: JSON.stringify(model) },
      });
      if (format === 'onnx') await exportOnnx({ model: prepared.model, weights, out: file });
      const images = await readNormalisedImages(
        evaluation.source.path,
        evaluation.source.mean,
        evaluation.source.std,
        samples,
      );
      const shape = [samples, ...prepared.model.sample];
      const found =
        format === 'onnx'
          ? await logitsOfOnnx(file, images, shape)
          : await logitsOfSafetensors(prepared.model, file, images, shape);
      const maxRelativeError = verifyLogits(file, expected, found);
      return { format, step, files: [file], check: { samples, maxRelativeError, accuracy: null } };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    } finally {
      if (weights !== file) await rm(weights, { force: true });
    }
  });
}

/** Integers of the library's state dict: BatchNorm counters, which are the optimizer steps done, and constants. */
function libraryIntegers({ model }: PreparedRun, step: number): Int64Tensor[] {
  const means = model.tensors.filter((spec) => spec.name.endsWith('.running_mean'));
  return [
    ...means.map(({ name }) => ({
      name: name.replace('running_mean', 'num_batches_tracked'),
      shape: [],
      values: [step],
    })),
    ...model.constants.map(({ name, values }) => ({ name, shape: [values.length], values })),
  ];
}

async function withCheckpoint<T>(
  host: RunHost,
  folder: RunFolder,
  step: number | undefined,
  work: (fleet: Fleet, prepared: PreparedRun, step: number) => Promise<T>,
): Promise<T> {
  const at = await findCheckpoint(folder, step);
  const prepared = await prepareFromHome(host.home, await folder.readConfig());
  const fleet = await openFleet(host, prepared, { kind: 'checkpoint', folder, step: at, optimizer: false });
  try {
    return await work(fleet, prepared, at);
  } finally {
    await fleet.close();
  }
}
