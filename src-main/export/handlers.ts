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
import { writePretrainedFolder } from './huggingFace.ts';
import { exportOnnx } from './onnxExport.ts';
import { logitsOfOnnx, logitsOfSafetensors, verifyLogits, type Feed } from './verify.ts';
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
const finishFolder: Finisher = async ({ folder, weights, tokenizer: text }, model, feed) => {
  const tokenizer = text ? await openTokenizer(text.home, await getDataset(text.home, text.dataset)) : undefined;
  const others = model.pretrained ? await writePretrainedFolder(folder, model, weights, tokenizer) : [];
  const paths = weights.map(({ name }) => join(folder, name));
  return { files: [...paths, ...others], logits: await logitsOfSafetensors(model, paths, feed) };
};

const finishOnnx: Finisher = async ({ folder, weights }, model, feed) => {
  const file = join(folder, 'model.onnx');
  const path = join(folder, weights[0]!.name);
  await exportOnnx({ model, weights: path, out: file });
  await rm(path);
  return { files: [file], logits: await logitsOfOnnx(file, feed) };
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
