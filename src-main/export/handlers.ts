// Makes an export of weights and checks it: reloads what was written, runs it with onnxruntime-node, and compares its logits with the engine's.
// In a process of its own, since reading weights, writing ONNX and running models hold a thread for seconds.

import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import type { ExportCommands } from '../contract/exportMessages.ts';
import type { Handlers } from '../contract/rpc.ts';
import { getDataset } from '../data/catalogue.ts';
import { native } from '../native.ts';
import { readSequences } from '../data/sequences.ts';
import { openTokenizer } from '../data/tokenizer.ts';
import { logitsOfDecoding } from './decoding.ts';
import type { Feed } from './feed.ts';
import { writePretrainedFolder } from './huggingFace.ts';
import { onnxNotes, writeImageFiles } from './notes.ts';
import { exportOnnx } from './onnxExport.ts';
import { pixelsOf } from './pixels.ts';
import { logitsOfOnnx, logitsOfSafetensors, verifyLogits } from './verify.ts';
import { createModel } from '../families/models.ts';
import type { ModelDefinition } from '../models/model.ts';

type Job = z.output<ExportCommands['finish']['params']>;

export function exportHandlers(): Handlers<ExportCommands> {
  return { finish };
}

async function finish(job: Job): Promise<{ files: string[]; maxRelativeError: number }> {
  const model = createModel(job.model);
  const feed = await firstSamples(job, model);
  const { files, logits } = await (job.format === 'onnx' ? finishOnnx : finishFolder)(job, model, feed);
  const found = logits.filter((_, index) => Math.floor(index / model.classes) % job.every === 0);
  const engineLogits = join(job.folder, job.engineLogits);
  const { buffer } = Uint8Array.from(await readFile(engineLogits));
  await rm(engineLogits);
  const maxRelativeError = verifyLogits(join(job.shown, basename(files[0]!)), new Float32Array(buffer), found);
  return { files, maxRelativeError };
}

/** The files, weights first, and the logits of what was written. */
type Finisher = (job: Job, model: ModelDefinition, feed: Feed) => Promise<{ files: string[]; logits: Float32Array }>;

/** Weights in the library's layout, and what else its loader wants. */
const finishFolder: Finisher = async (job, model, feed) => {
  const { folder, weights, notes } = job;
  const others = model.pretrained ? await pretrainedFiles(job, model) : await writeImageFiles(folder, notes);
  const paths = weights.map(({ name }) => join(folder, name));
  return { files: [...paths, ...others], logits: await logitsOfSafetensors(model, paths, feed) };
};

async function pretrainedFiles({ folder, weights, tokenizer: text }: Job, model: ModelDefinition): Promise<string[]> {
  const tokenizer = text ? await openTokenizer(text.home, await getDataset(text.home, text.dataset)) : undefined;
  return await writePretrainedFolder(folder, model, weights, tokenizer);
}

const finishOnnx: Finisher = async (job, model, feed) => {
  const { folder, weights, notes, onnx } = job;
  const out = join(folder, 'model.onnx');
  const path = join(folder, weights[0]!.name);
  const pixels = onnx.withPreprocessing ? notes.images : undefined;
  const about = onnxNotes(notes, model, pixels !== undefined);
  await exportOnnx({ model, weights: path, out, withPast: onnx.withPast, pixels, notes: about });
  await rm(path);
  // Beside a model with a cache, what generation reads of it.
  const others = onnx.withPast
    ? await pretrainedFiles(job, model)
    : await writeImageFiles(folder, notes, pixels !== undefined);
  const given = pixels ? pixelsOf(feed, pixels) : feed;
  return { files: [out, ...others], logits: await (onnx.withPast ? logitsOfDecoding : logitsOfOnnx)(out, given) };
};

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
