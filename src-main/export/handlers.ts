// Makes an export of weights and checks it: reloads what was written, runs it with onnxruntime-node, and compares its logits with the engine's.
// In a process of its own, since reading weights, writing ONNX and running models hold a thread for seconds.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { GgufType, OnnxType } from '../contract/exportFormat.ts';
import type { ExportCommands } from '../contract/exportMessages.ts';
import type { Handlers } from '../contract/rpc.ts';
import { getDataset } from '../data/catalogue.ts';
import { native } from '../native.ts';
import { readSequences } from '../data/sequences.ts';
import { openTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { logitsOfDecoding } from './decoding.ts';
import type { Feed } from './feed.ts';
import { exportGguf, logitsOfGguf, planGguf } from './ggufExport.ts';
import { writePretrainedFolder } from './huggingFace.ts';
import { exportImageFolder, logitsOfImageFolder, type LibraryName } from './imageExport.ts';
import { onnxNotes, writeImageFiles } from './notes.ts';
import { exportOnnx } from './onnxExport.ts';
import { pixelsOf } from './pixels.ts';
import { logitsOfOnnx, logitsOfSafetensors, logitsTolerance, verifyLogits } from './verify.ts';
import { createModel } from '../families/models.ts';
import type { ModelDefinition } from '../models/model.ts';

type Job = z.output<ExportCommands['finish']['params']>;

export function exportHandlers(): Handlers<ExportCommands> {
  return { finish };
}

const finishers: Record<Job['format'], Finisher> = {
  safetensors: finishFolder,
  onnx: finishOnnx,
  timm: finishImageFolder('timm'),
  huggingface: finishImageFolder('huggingface'),
  gguf: finishGguf,
};

async function finish(job: Job): Promise<{ files: string[]; maxRelativeError: number }> {
  const model = createModel(job.model);
  const feed = await firstSamples(job, model);
  const { files, logits } = await finishers[job.format](job, model, feed);
  const engineLogits = join(job.folder, job.engineLogits);
  const { buffer } = new Uint8Array(await readFile(engineLogits));
  await rm(engineLogits);
  const maxRelativeError = verifyLogits(files[0]!, new Float32Array(buffer), logits, logitsTolerance[job.type]);
  return { files, maxRelativeError };
}

/** The files, weights first, and the logits of what was written, of those labels whose were written. */
interface Finished {
  files: string[];
  logits: Float32Array;
}
type Finisher = (job: Job, model: ModelDefinition, feed: Feed) => Promise<Finished>;

/** Weights in the library's layout, and what else its loader wants. */
async function finishFolder(job: Job, model: ModelDefinition, feed: Feed): Promise<Finished> {
  const { folder, weights, notes } = job;
  const others = model.pretrained ? await pretrainedFiles(job, model) : await writeImageFiles(folder, notes);
  const paths = weights.map(({ name }) => join(folder, name));
  return { files: [...paths, ...others], logits: await logitsOfSafetensors(model, paths, feed, job.every) };
}

async function pretrainedFiles({ folder, weights, dataset }: Job, model: ModelDefinition): Promise<string[]> {
  return await writePretrainedFolder(folder, model, weights, await tokenizerOf(dataset));
}

async function tokenizerOf(dataset: Job['dataset']): Promise<Tokenizer | undefined> {
  return dataset ? await openTokenizer(dataset.home, await getDataset(dataset.home, dataset.name)) : undefined;
}

async function finishOnnx(job: Job, model: ModelDefinition, feed: Feed): Promise<Finished> {
  const { folder, weights, notes, onnx, type } = job;
  const out = join(folder, 'model.onnx');
  const path = join(folder, weights[0]!.name);
  const pixels = onnx.withPreprocessing ? notes.images : undefined;
  const about = onnxNotes(notes, model, pixels !== undefined);
  const { withPast } = onnx;
  const files = await exportOnnx({ model, weights: path, out, type: type as OnnxType, withPast, pixels, notes: about });
  await rm(path);
  // Beside a model with a cache, what generation reads of it.
  const others = withPast
    ? await pretrainedFiles(job, model)
    : await writeImageFiles(folder, notes, pixels !== undefined);
  const given = pixels ? pixelsOf(feed, pixels) : feed;
  return {
    files: [...files, ...others],
    logits: await (withPast ? logitsOfDecoding : logitsOfOnnx)(out, given, job.every),
  };
}

function finishImageFolder(library: LibraryName): Finisher {
  return async ({ folder, notes, every }, model, feed) => {
    const files = await exportImageFolder(folder, model, library, notes.images);
    return { files, logits: await logitsOfImageFolder(files[0]!, model, library, feed, every) };
  };
}

async function finishGguf(job: Job, model: ModelDefinition, feed: Feed): Promise<Finished> {
  const { folder, weights, dataset, type, name } = job;
  const file = join(folder, 'model.gguf');
  const path = join(folder, weights[0]!.name);
  await exportGguf(file, path, model, planGguf(model, type as GgufType, await tokenizerOf(dataset), name));
  await rm(path);
  return { files: [file], logits: await logitsOfGguf(file, model, feed, job.every) };
}

/** The first samples of the source as the network sees them. */
async function firstSamples({ source, samples }: Job, { sample }: ModelDefinition): Promise<Feed> {
  const { path, reads } = source;
  const first = Array.from({ length: samples }, (_, index) => index);
  const data =
    reads.kind === 'tokens'
      ? await readSequences(path, reads.sequence, samples)
      : await native().readImages(path, reads, first);
  return { data, shape: [samples, ...sample] };
}
