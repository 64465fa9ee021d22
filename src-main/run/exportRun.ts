// Export of a checkpoint for the ecosystem, checked against the engine before it is called done.

import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DeviceSetup } from '../contract/deviceMessages.ts';
import type { ExportFormat, ExportResult } from '../contract/run.ts';
import { readImages } from '../data/images.ts';
import { replaceFiles } from '../files/files.ts';
import { readSequences } from '../data/sequences.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { weightFiles, writePretrainedFolder, type WeightFile } from '../export/huggingFace.ts';
import { exportOnnx } from '../export/onnxExport.ts';
import { logitsOfOnnx, logitsOfSafetensors, verifyLogits, type Feed } from '../export/verify.ts';
import { createModel } from '../families/models.ts';
import type { ModelDefinition } from '../models/model.ts';
import type { Int64Tensor } from '../native.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { isAlive } from '../processes/isAlive.ts';
import type { PreparedRun } from '../plan/prepare.ts';

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
 * logits with the engine's. All of it happens beside the files that are there already, which are replaced when the new ones agree.
 */
export async function exportStore(fleet: Fleet, prepared: PreparedRun, target: Target): Promise<ExportResult> {
  const { format, step, out } = target;
  const { evaluation, classes } = prepared.setup;
  const samples = Math.min(prepared.evaluationBatch, prepared.evaluationSamples);
  const { labels } = await fleet.evaluate(samples);
  const every = Math.ceil((labels * classes) / comparedLogits);
  const expected = await fleet.logits(samples, every);
  const write = format === 'onnx' ? writeOnnx : writeFolder;
  const feed = await firstSamples(evaluation.source, prepared, samples);
  await removeLeftovers(out);
  return await replaceFiles(out, async (beside) => {
    const { files, logits } = await write(fleet, prepared, { ...target, out: beside }, feed);
    const found = logits.filter((_, index) => Math.floor(index / classes) % every === 0);
    const written = files.map((file) => join(out, basename(file)));
    const maxRelativeError = verifyLogits(written[0]!, expected, found);
    return { format, step, files: written, check: { samples, maxRelativeError, accuracy: null } };
  });
}

/** Removes what exports have left whose process was ended meanwhile. */
async function removeLeftovers(out: string): Promise<void> {
  for (const name of await readdir(out).catch(() => [])) {
    const pid = /^\.partial-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(out, name), { recursive: true, force: true });
  }
}

/** Writes a format; the paths, weights first, and the logits of what was written. */
type Writer = (
  fleet: Fleet,
  prepared: PreparedRun,
  target: Target,
  feed: Feed,
) => Promise<{ files: string[]; logits: Float32Array }>;

/** Weights in the library's layout, and what else its loader wants. */
const writeFolder: Writer = async (fleet, prepared, { step, out, tokenizer }, feed) => {
  const model = createModel(prepared.spec);
  const files = model.pretrained ? weightFiles(model.tensors) : [wholeModel(model)];
  const weights = files.map((file) => join(out, file.name));
  for (const [index, file] of files.entries())
    await writeWeights(fleet, prepared, step, weights[index]!, file, index === 0);
  const others = model.pretrained ? await writePretrainedFolder(out, model, files, tokenizer) : [];
  return { files: [...weights, ...others], logits: await logitsOfSafetensors(model, weights, feed) };
};

const writeOnnx: Writer = async (fleet, prepared, { step, out }, feed) => {
  const weights = join(out, 'weights.safetensors');
  const file = join(out, 'model.onnx');
  const model = createModel(prepared.spec);
  await writeWeights(fleet, prepared, step, weights, wholeModel(model), true);
  await exportOnnx({ model, weights, out: file });
  await rm(weights);
  return { files: [file], logits: await logitsOfOnnx(file, feed) };
};

const wholeModel = (model: ModelDefinition): WeightFile => ({
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
    metadata: { format: 'pt', step: String(step), model: JSON.stringify(prepared.spec) },
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
  return { data, shape: [samples, ...createModel(prepared.spec).sample] };
}

/** Integers of the library's state dict: BatchNorm counters, which are the micro-batches of a worker so far, and constants. */
function libraryIntegers({ spec, setup }: PreparedRun, step: number): Int64Tensor[] {
  const model = createModel(spec);
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
