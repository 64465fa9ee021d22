// What an export says of itself: in ONNX files as metadata, in safetensors as metadata, and in files beside the weights.
//
// Images are normalised as (pixel / 255 - mean) / std, in the order of their channels here: RGB, or one channel.

import { replaceFile } from '../files/files.ts';
import { join } from 'node:path';
import type { ExportNotes } from '../contract/exportMessages.ts';
import type { ModelNotes } from '../graph/onnx.ts';
import type { ModelDefinition } from '../models/model.ts';
import { imageProcessor } from './imageProcessor.ts';

/** Names and values as text: lists and numbers as JSON. `pixels`: the normalisation is in the graph. */
export function noteTexts(notes: ExportNotes, pixels = false): Record<string, string> {
  const { images, tokens } = notes;
  const values: Record<string, unknown> = {
    family: notes.family,
    step: notes.step,
    dataset: notes.dataset,
    license: notes.license,
    ...(images && {
      class_names: images.classNames,
      mean: images.mean,
      std: images.std,
      value_range: pixels ? [0, 255] : [0, 1],
      color_order: colourOrder(images.mean.length),
      layout: pixels ? 'NHWC' : 'NCHW',
      image_size: images.size,
    }),
    ...(tokens && {
      tokenizer: tokens.tokenizer,
      max_sequence: tokens.sequence,
      eos_token_id: tokens.end?.token,
      eos_token: tokens.end?.text,
    }),
  };
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

const colourOrder = (channels: number): string | undefined => ({ 1: 'grayscale', 3: 'RGB' })[channels];

export function onnxNotes(notes: ExportNotes, model: ModelDefinition, pixels: boolean): ModelNotes {
  return {
    producerVersion: notes.version,
    modelVersion: notes.step,
    docString: `${notes.described}, trained on ${notes.dataset} for ${notes.step} steps with subnetwork data parallelism. Takes ${inputInWords(model, pixels)}.`,
    properties: noteTexts(notes, pixels),
  };
}

/** Writes labels.txt, a class name a line, and preprocessor_config.json of Hugging Face's image processors where they do what is done to images; returns the paths. `pixels`: the model does it. */
export async function writeImageFiles(folder: string, { images }: ExportNotes, pixels = false): Promise<string[]> {
  if (!images) return [];
  const processor = pixels ? undefined : imageProcessor(images);
  const contents: Record<string, string> = {
    ...(images.classNames && { 'labels.txt': images.classNames.map((name) => `${oneLine(name)}\n`).join('') }),
    ...(processor && { 'preprocessor_config.json': `${JSON.stringify(processor, null, 2)}\n` }),
  };
  for (const [name, text] of Object.entries(contents))
    await replaceFile(join(folder, name), (file) => file.writeFile(text));
  return Object.keys(contents).map((name) => join(folder, name));
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ');

function inputInWords({ reads, sample }: Pick<ModelDefinition, 'reads' | 'sample'>, pixels: boolean): string {
  if (reads === 'tokens') return `tokens, at most ${sample[0]} a text`;
  const [channels, ...size] = sample;
  return pixels
    ? `images as pixels of 0 to 255, [batch,${size.join()},${channels}]`
    : `images [batch,${sample.join()}], normalised as (pixel / 255 - mean) / std`;
}
