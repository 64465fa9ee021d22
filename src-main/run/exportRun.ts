// Export of a checkpoint for the ecosystem, checked against the engine before it is called done.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceSetup } from '../contract/deviceMessages.ts';
import type { ExportFormat, ExportResult } from '../contract/run.ts';
import { readImages } from '../data/images.ts';
import { storageError } from '../data/files.ts';
import { readSequences } from '../data/sequences.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { weightFiles, writeLlamaFolder, type WeightFile } from '../export/huggingFace.ts';
import { exportOnnx } from '../export/onnxExport.ts';
import { logitsOfOnnx, logitsOfSafetensors, verifyLogits, type Feed } from '../export/verify.ts';
import type { Int64Tensor } from '../native.ts';
import type { Fleet } from './fleet.ts';
import type { PreparedRun } from './prepare.ts';

/** At most about so many logits are compared: of every so-many-th label. */
const comparedLogits = 2 ** 20;

export interface Target {
  format: ExportFormat;
  step: number;
  /** Folder. */
  out: string;
  /** Of the text that the run was trained on. */
  tokenizer?: Tokenizer | undefined;
}

/**
 * Writes what the fleet's store holds, with the statistics and branch scaling of evaluation folded in, reloads the files and compares their
 * logits with the engine's. Files that do not agree are removed.
 */
export async function exportStore(fleet: Fleet, prepared: PreparedRun, target: Target): Promise<ExportResult> {
  const { format, step, out } = target;
  const { evaluation } = prepared.setup;
  const samples = Math.min(evaluation.batch, prepared.evaluationSamples);
  await mkdir(out, { recursive: true });
  const { labels } = await fleet.evaluate(samples);
  const every = Math.ceil((labels * prepared.model.classes) / comparedLogits);
  const expected = await fleet.logits(samples, every);
  const written: string[] = [];
  try {
    const compare = format === 'onnx' ? writeOnnx : writeFolder;
    const feed = await firstSamples(evaluation.source, prepared, samples);
    const logits = await compare(fleet, prepared, target, written, feed);
    const found = logits.filter((_, index) => Math.floor(index / prepared.model.classes) % every === 0);
    const maxRelativeError = verifyLogits(written[0]!, expected, found);
    return { format, step, files: written, check: { samples, maxRelativeError, accuracy: null } };
  } catch (error) {
    await Promise.all(written.map((file) => rm(file, { force: true })));
    throw storageError(error, out);
  }
}

/** Writes a format; adds the paths to `written` before it writes, and returns the logits of what was written. */
type Writer = (
  fleet: Fleet,
  prepared: PreparedRun,
  target: Target,
  written: string[],
  feed: Feed,
) => Promise<Float32Array>;

/** Weights in the library's layout, and what else its loader wants. */
const writeFolder: Writer = async (fleet, prepared, { step, out, tokenizer }, written, feed) => {
  const { model, setup } = prepared;
  const spec = setup.model;
  const files = spec.family === 'llama' ? weightFiles(model.tensors) : [wholeModel(prepared)];
  const weights = files.map((file) => join(out, file.name));
  written.push(...weights);
  for (const [index, file] of files.entries())
    await writeWeights(fleet, prepared, step, weights[index]!, file, index === 0);
  if (spec.family === 'llama') written.push(...(await writeLlamaFolder(out, spec, model.tensors, files, tokenizer)));
  return logitsOfSafetensors(model, weights, feed);
};

const writeOnnx: Writer = async (fleet, prepared, { step, out }, written, feed) => {
  const weights = join(out, '.weights.partial');
  written.push(join(out, 'model.onnx'));
  try {
    await writeWeights(fleet, prepared, step, weights, wholeModel(prepared), true);
    await exportOnnx({ model: prepared.model, weights, out: written[0]! });
  } finally {
    await rm(weights, { force: true });
  }
  return logitsOfOnnx(written[0]!, feed);
};

const wholeModel = ({ model }: PreparedRun): WeightFile => ({
  name: 'model.safetensors',
  tensors: model.tensors.map((spec) => spec.name),
});

async function writeWeights(
  fleet: Fleet,
  prepared: PreparedRun,
  step: number,
  path: string,
  file: WeightFile,
  first: boolean,
): Promise<void> {
  await fleet.store.writeValues(path, {
    scales: prepared.scales,
    statistics: prepared.setup.evaluation.statisticsBatches > 0,
    int64: first ? libraryIntegers(prepared, step) : [],
    metadata: { format: 'pt', step: String(step), model: JSON.stringify(prepared.setup.model) },
    tensors: file.tensors,
  });
}

/** The first samples of a source as the network sees them. */
async function firstSamples(source: DeviceSetup['training'], prepared: PreparedRun, samples: number): Promise<Feed> {
  const first = Array.from({ length: samples }, (_, sample) => sample);
  const data =
    source.kind === 'tokens'
      ? await readSequences(source.path, source.sequence, samples)
      : await readImages(source, first);
  return { data, shape: [samples, ...prepared.model.sample] };
}

/** Integers of the library's state dict: BatchNorm counters, which are the micro-batches of a worker so far, and constants. */
function libraryIntegers({ model, setup }: PreparedRun, step: number): Int64Tensor[] {
  const means = model.tensors.filter((spec) => spec.name.endsWith('.running_mean'));
  return [
    ...means.map(({ name }) => ({
      name: name.replace('running_mean', 'num_batches_tracked'),
      shape: [],
      values: [step * setup.training.accumulation],
    })),
    ...model.constants.map(({ name, values }) => ({ name, shape: [values.length], values })),
  ];
}
