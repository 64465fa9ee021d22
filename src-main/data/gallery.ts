// A few samples of an imported split for looking at: images with their labels, or tokens with their text. Large images are thinned to every so-many-th pixel.

import { join } from 'node:path';
import type { DatasetPage, Split } from '../contract/datasets.ts';
import { getDataset, sourceOf, type SplitSource } from './catalogue.ts';
import { readFully } from '../files/files.ts';
import { native } from '../native.ts';
import { withNpy } from './npy.ts';
import { continuation, openTokenizer, type Tokenizer } from './tokenizer.ts';

const mostImages = 60;
const longestSide = 64;

export interface PageRequest {
  name: string;
  split: Split;
  from: number;
  count: number;
  label?: number | undefined;
}

export async function datasetPage(home: string, request: PageRequest): Promise<DatasetPage> {
  const found = await getDataset(home, request.name);
  const source = sourceOf(home, found, request.split);
  return found.kind === 'images'
    ? await imagePage(source, found.sample as [number, number, number], request)
    : await tokenPage(source.path, request, await openTokenizer(home, found));
}

async function imagePage(
  source: SplitSource,
  [channels, height, width]: [number, number, number],
  { from, count, label }: PageRequest,
): Promise<DatasetPage> {
  const labels = await readLabels(join(source.path, 'labels.npy'));
  const all = label === undefined ? labels.map((_, index) => index) : indicesOf(labels, label);
  const indices = all.slice(from, from + Math.min(count, mostImages));
  const scale = new Array<number>(channels);
  const shares = await native().readImages(
    source.path,
    { ...source.images!, mean: scale.fill(0), std: [...scale].fill(1) },
    indices,
  );
  const pixels = Uint8Array.from(shares, (share) => Math.round(share * 255));
  const every = Math.ceil(Math.max(height, width) / longestSide);
  const bytes = channels * height * width;
  const images = indices.map((index, at) => {
    const own = pixels.subarray(at * bytes, (at + 1) * bytes);
    const shown = every === 1 ? own : thinned(own, channels, height, width, every);
    return { index, label: labels[index]!, pixels: Buffer.from(shown).toString('base64') };
  });
  const small = [channels, Math.ceil(height / every), Math.ceil(width / every)];
  return { kind: 'images', total: all.length, shape: small, images };
}

async function readLabels(path: string): Promise<number[]> {
  return await withNpy(path, ['<i8'], async (file, { shape, dataStart }) => {
    const raw = new BigInt64Array(shape[0] ?? 0);
    await readFully(file, new Uint8Array(raw.buffer), dataStart);
    return Array.from(raw, Number);
  });
}

function indicesOf(labels: readonly number[], label: number): number[] {
  return labels.flatMap((one, index) => (one === label ? [index] : []));
}

function thinned(pixels: Uint8Array, channels: number, height: number, width: number, every: number): Uint8Array {
  const result: number[] = [];
  for (let channel = 0; channel < channels; channel++)
    for (let row = 0; row < height; row += every)
      for (let column = 0; column < width; column += every)
        result.push(pixels[(channel * height + row) * width + column]!);
  return Uint8Array.from(result);
}

async function tokenPage(
  path: string,
  { from, count }: PageRequest,
  tokenizer: Tokenizer | undefined,
): Promise<DatasetPage> {
  return await withNpy(join(path, 'tokens.npy'), ['<u2', '<u4'], async (file, { type, shape, dataStart }) => {
    const total = shape[0] ?? 0;
    const first = Math.min(from, total);
    const length = Math.min(count, total - first);
    const values = type === '<u2' ? new Uint16Array(length) : new Uint32Array(length);
    await readFully(file, new Uint8Array(values.buffer), dataStart + first * values.BYTES_PER_ELEMENT);
    const ids = Array.from(values);
    const textOf = (id: number, at: number) =>
      tokenizer ? continuation(tokenizer, ids.slice(Math.max(0, at - 1), at), [id]) : '';
    return { kind: 'tokens', total, from: first, tokens: ids.map((id, at) => ({ id, text: textOf(id, at) })) };
  });
}
