// Datasets of tokens: import from .bin and .npy, splits, and what is refused.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getDataset, listDatasets } from './catalogue.ts';
import { importDataset } from './import.ts';
import { readSequences } from './sequences.ts';

let folder: string;
let home: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-tokens-'));
  home = join(folder, 'home');
});
afterEach(() => rm(folder, { recursive: true }));

const bytes = (array: Uint16Array | Uint32Array) => new Uint8Array(array.buffer);
/** A .npy array of one axis as NumPy writes it. */
function npy(type: '<u2' | '<u4' | '<i8' | '<f8', length: number, data: Uint8Array): Buffer {
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': (${length},), }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(dict, 'latin1'), data]);
}
const npyOf = (array: Uint16Array | Uint32Array) =>
  npy(array instanceof Uint16Array ? '<u2' : '<u4', array.length, bytes(array));

async function file(name: string, content: Uint8Array): Promise<string> {
  const path = join(folder, 'files', name);
  await mkdir(join(folder, 'files'), { recursive: true });
  await writeFile(path, content);
  return path;
}

describe('import of tokens', () => {
  it('cuts one file into a training and a validation part', async () => {
    const tokens = Uint16Array.from({ length: 40 }, (_, i) => (i === 37 ? 900 : i));
    const path = await file('corpus.bin', bytes(tokens));
    const imported = await importDataset({ paths: [path], name: 'text', home, options: { validation: 0.25 } });
    expect(imported).toMatchObject({
      kind: 'tokens',
      train: 30,
      test: 10,
      vocabulary: 901,
      largest: { token: 900, file: path, position: 37 },
      tokenizer: 'tokens',
      bytes: 2 * 128 + 80,
    });
    expect((await listDatasets(home)).datasets).toEqual([imported]);
    expect((await getDataset(home, 'text')).options).toEqual({ as: 'tokens', validation: 0.25 });
    const test = join(home, 'datasets/text/test');
    expect((await readFile(join(test, 'tokens.npy'))).subarray(128)).toEqual(Buffer.from(bytes(tokens.slice(30))));
    expect([...(await readSequences(test, 4, 2))].map(Number)).toEqual([30, 31, 32, 33, 34, 35, 36, 900]);
  });

  it('takes train and val files of a folder, .npy or .bin of a type that is said', async () => {
    await file('train.npy', npyOf(Uint32Array.from([1, 70000, 2])));
    await file('val.bin', bytes(Uint32Array.from([3, 4])));
    const imported = await importDataset({
      paths: [join(folder, 'files')],
      name: 'wide',
      home,
      options: { dtype: 'uint32' },
    });
    expect(imported).toMatchObject({ train: 3, test: 2, vocabulary: 70001, largest: { position: 1 } });
  });

  it.each<[string, Record<string, Uint8Array>, string]>([
    ['half a token', { 'a.bin': new Uint8Array(7) }, 'FILES/a.bin is truncated: it has 7 bytes of uint16 tokens'],
    ['too few tokens', { 'a.bin': new Uint8Array(8) }, 'the tokens leave a split of 0; 2 are needed at least'],
    [
      'a truncated array',
      { 'a.npy': npyOf(Uint16Array.from([1, 2, 3])).subarray(0, 132) },
      'FILES/a.npy is truncated: it has 4 bytes of uint16 tokens',
    ],
    [
      'another type',
      { 'a.npy': npy('<f8', 1, new Uint8Array(8)) },
      'FILES/a.npy holds <f8 of 1 axes, expected whole numbers as tokens (images need an array of labels beside them)',
    ],
  ])('refuses %s and leaves nothing', async (_, files, message) => {
    for (const [name, content] of Object.entries(files)) await file(name, content);
    const names = Object.keys(files);
    const path =
      names.length === 1 && !names[0]!.startsWith('train') ? join(folder, 'files', names[0]!) : join(folder, 'files');
    const expected = message.replaceAll('FILES', join(folder, 'files'));
    await expect(importDataset({ paths: [path], name: 'x', home })).rejects.toMatchObject({
      code: 'data',
      message: expected,
    });
    expect(await readdir(join(home, 'datasets')).catch(() => [])).toEqual([]);
  });
});
