// The first images of an imported split as the network sees them; for export checks, not for training (the addon loads that).

import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { readFully } from './files.ts';
import { withNpy } from './npy.ts';

/** Images [0, count) of a split folder, [count,C,H,W], or as many as there are; (pixel / 255 - mean) / std per channel. */
export async function readNormalisedImages(
  splitFolder: string,
  mean: readonly number[],
  std: readonly number[],
  count: number,
): Promise<Float32Array> {
  const path = join(splitFolder, 'images.npy');
  return await withNpy(path, ['|u1'], async (file, { shape, dataStart }) => {
    const [samples, channels, height, width] = shape as [number, number, number, number];
    const plane = height * width;
    const pixels = new Uint8Array(Math.min(count, samples) * channels * plane);
    const found = await readFully(file, pixels, dataStart);
    if (found < pixels.length)
      throw new UserError('data', `${path} is truncated; import the dataset again`, { key: path });
    return Float32Array.from(pixels, (pixel, index) => {
      const channel = Math.floor(index / plane) % channels;
      return (pixel / 255 - mean[channel]!) / std[channel]!;
    });
  });
}
