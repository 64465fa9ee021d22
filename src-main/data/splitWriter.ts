// Writes one split of a dataset of images as .npy arrays while its source streams by: labels checked and counted, pixels counted by value.
//
// Statistics come from a histogram per channel, so they are exact whatever the size of the data and of the chunks.

import type { Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { ImageSplit } from './importer.ts';
import { npyHeader, type NpyType } from './npy.ts';

/** What goes through every write: the running fingerprint, a check for cancellation, and progress. */
export interface WriteContext {
  hash: Hash;
  signal?: AbortSignal | undefined;
  onSamples(samples: number): void;
}

/** Writes labels.npy; returns the number of samples per class. `classes` is null for the training split, whose labels define them. */
export async function writeLabels(
  folder: string,
  source: ImageSplit,
  classes: number | null,
  context: WriteContext,
): Promise<number[]> {
  const perClass: number[] = [];
  const chunks = async function* () {
    let sample = 0;
    for await (const labels of source.labels) {
      const wide = BigInt64Array.from({ length: labels.length }, (_, index) => BigInt(labels[index]!));
      for (let index = 0; index < labels.length; index += 1) {
        const label = labels[index]!;
        if (classes !== null && label >= classes) throw outOfRange(source.labelsPath, label, sample + index, classes);
        perClass[label] = (perClass[label] ?? 0) + 1;
      }
      sample += labels.length;
      yield new Uint8Array(wide.buffer);
    }
  };
  await writeArray(join(folder, 'labels.npy'), '<i8', [source.samples], chunks(), context);
  const numClasses = classes ?? perClass.length;
  const counts = Array.from({ length: numClasses }, (_, label) => perClass[label] ?? 0);
  if (classes === null) refuseGaps(source.labelsPath, counts);
  return counts;
}

/** Writes images.npy; returns for each channel how often each pixel value occurs. */
export async function writeImages(folder: string, source: ImageSplit, context: WriteContext): Promise<Float64Array[]> {
  const [channels, height, width] = source.sample as [number, number, number];
  const plane = height * width;
  const histograms = Array.from({ length: channels }, () => new Float64Array(256));
  const chunks = async function* () {
    let position = 0;
    for await (const pixels of source.images) {
      countPixels(pixels, position, plane, histograms);
      position += pixels.length;
      yield pixels;
      context.onSamples(Math.floor(position / (channels * plane)));
    }
  };
  await writeArray(join(folder, 'images.npy'), '|u1', [source.samples, ...source.sample], chunks(), context);
  return histograms;
}

/** Mean and standard deviation of pixel / 255. A channel that never varies has deviation 1: it stays zero when normalised. */
export function pixelStatistics(histogram: Float64Array): { mean: number; std: number } {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  const mean = histogram.reduce((sum, count, value) => sum + count * value, 0) / total / 255;
  const variance = histogram.reduce((sum, count, value) => sum + count * (value / 255 - mean) ** 2, 0) / total;
  return { mean, std: Math.sqrt(variance) || 1 };
}

function countPixels(pixels: Uint8Array, position: number, plane: number, histograms: Float64Array[]): void {
  let index = 0;
  while (index < pixels.length) {
    const at = position + index;
    const histogram = histograms[Math.floor(at / plane) % histograms.length]!;
    const end = Math.min(pixels.length, index + plane - (at % plane));
    for (; index < end; index += 1) histogram[pixels[index]!]! += 1;
  }
}

/** Writes a .npy file chunk by chunk. */
export async function writeArray(
  path: string,
  type: NpyType,
  shape: number[],
  chunks: AsyncIterable<Uint8Array>,
  context: WriteContext,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    const write = async (bytes: Uint8Array) => {
      context.hash.update(bytes);
      await file.writeFile(bytes);
    };
    await write(npyHeader(type, shape));
    for await (const chunk of chunks) {
      if (context.signal?.aborted) throw new UserError('cancelled', 'the import was cancelled');
      await write(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function outOfRange(path: string, label: number, sample: number, classes: number): UserError {
  const message = `${path} has label ${label} (sample ${sample}), but the training labels run from 0 to ${classes - 1}`;
  return new UserError('data', message, { key: path });
}

/** A label far out of range shows as a gap below it. */
function refuseGaps(path: string, counts: number[]): void {
  const missing = counts.indexOf(0);
  if (missing < 0) return;
  const message = `${path} has label ${counts.length - 1} but no label ${missing}; training labels must run from 0 without a gap`;
  throw new UserError('data', message, { key: path });
}
