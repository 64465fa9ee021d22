// The first samples of an imported split as the network sees them; for checks and pictures, not for training (the addon loads that).

import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { readFully } from './files.ts';
import { withNpy, type NpyType } from './npy.ts';

export interface NormalisedImages {
  /** [samples,C,H,W] */
  shape: number[];
  images: Float32Array;
  labels: number[];
}

/** Samples [0, count) of a split folder, at most as many as there are; (pixel / 255 - mean) / std per channel. */
export async function readNormalisedImages(
  splitFolder: string,
  mean: readonly number[],
  std: readonly number[],
  count: number,
): Promise<NormalisedImages> {
  const { shape, bytes } = await readRows(join(splitFolder, 'images.npy'), '|u1', count, 1);
  const labels = await readRows(join(splitFolder, 'labels.npy'), '<i8', count, 8);
  const [, channels, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const images = Float32Array.from(bytes, (pixel, index) => {
    const channel = Math.floor(index / plane) % channels;
    return (pixel / 255 - mean[channel]!) / std[channel]!;
  });
  return { shape, images, labels: Array.from(new BigInt64Array(labels.bytes.buffer), Number) };
}

async function readRows(path: string, type: NpyType, count: number, elementBytes: number) {
  return await withNpy(path, type, async (file, header) => {
    const shape = [Math.min(count, header.shape[0]!), ...header.shape.slice(1)];
    const bytes = new Uint8Array(shape.reduce((size, extent) => size * extent, elementBytes));
    const found = await readFully(file, bytes, header.dataStart);
    if (found < bytes.length)
      throw new UserError('data', `${path} is truncated; import the dataset again`, { key: path });
    return { shape, bytes };
  });
}
