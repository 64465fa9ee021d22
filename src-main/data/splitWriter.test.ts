import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readNormalisedImages } from './images.ts';
import type { ImageSplit } from './importer.ts';
import { pixelStatistics, writeImages, writeLabels } from './splitWriter.ts';

it('counts pixels per channel and keeps their order, however the source is cut into chunks', async () => {
  const pixels = [1, 2, 3, 250, 251, 252, 4, 5, 6, 253, 254, 255];
  const context = () => ({ hash: createHash('sha256'), onSamples: () => {} });
  for (const chunk of [1, 2, 5, 7, 12]) {
    const folder = await mkdtemp(join(tmpdir(), 'sdp-split-'));
    try {
      const source = rgb(pixels, chunk);
      await writeLabels(folder, source, null, context());
      const histograms = await writeImages(folder, source, context());
      expect(histograms.map(pixelStatistics).map(({ mean }) => mean * 255)).toEqual([
        expect.closeTo(3.5, 12),
        expect.closeTo(252.5, 12),
      ]);
      expect([...(await readFile(join(folder, 'images.npy'))).subarray(128)]).toEqual(pixels);
      const images = await readNormalisedImages(folder, [0, 1], [1, 0.5], 1);
      expect(images).toEqual(
        Float32Array.from([1, 2, 3, 250, 251, 252], (p, i) => (i < 3 ? p / 255 : (p / 255 - 1) / 0.5)),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  }
});

/** Two samples of two channels of 1 x 3. */
function rgb(pixels: number[], chunk: number): ImageSplit {
  async function* images() {
    for (let at = 0; at < pixels.length; at += chunk) yield Uint8Array.from(pixels.slice(at, at + chunk));
  }
  async function* labels() {
    yield [0];
    yield [1];
  }
  return { sample: [2, 1, 3], samples: 2, labelsPath: 'labels', labels: labels(), images: images() };
}
