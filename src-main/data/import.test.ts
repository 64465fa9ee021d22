import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { datasetSource, getDataset, listDatasets } from './catalogue.ts';
import { importDataset, inspectDataset } from './import.ts';
import { native, type ImportProgress } from '../native.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import type { ImagesManifest } from './manifest.ts';
import { ensureSample, samplePath } from './samples.ts';

let folder: string;
let home: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-data-'));
  home = join(folder, 'home');
});
afterEach(() => rm(folder, { recursive: true }));

/** An IDX file of unsigned bytes. */
function idx(shape: number[], values: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(0x0800 + shape.length);
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return Buffer.concat([header, Buffer.from(Array.from(values))]);
}

const trainPixels = [0, 255, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
const testPixels = [1, 2, 3, 4, 5, 6];
const trainImages = idx([2, 2, 3], trainPixels);
const trainLabels = idx([2], [1, 0]);
const testImages = idx([1, 2, 3], testPixels);
const testLabels = idx([1], [1]);

/** A dataset of 2 + 1 images of 2 x 3; `changes` replaces files, or leaves them out (null). */
async function tinyFiles(at: string, changes: Record<string, Buffer | null> = {}): Promise<string> {
  const files: Record<string, Buffer | null> = {
    'train-images-idx3-ubyte': trainImages,
    'train-labels-idx1-ubyte': trainLabels,
    't10k-images-idx3-ubyte': testImages,
    't10k-labels-idx1-ubyte': testLabels,
    ...changes,
  };
  await mkdir(at, { recursive: true });
  for (const [name, content] of Object.entries(files)) if (content) await writeFile(join(at, name), content);
  return at;
}

const leftovers = () => readdir(join(home, 'datasets')).catch(() => []);
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as Error,
  );

describe('importDataset', () => {
  it('writes arrays that numpy reads, their statistics and counts', async () => {
    const path = await tinyFiles(join(folder, 'Tiny set!'));
    const imported = await importDataset({ paths: [path], home });
    expect(imported).toEqual({
      name: 'Tiny-set-',
      kind: 'images',
      classes: 2,
      classNames: ['0', '1'],
      sample: [1, 2, 3],
      train: 2,
      test: 1,
      source: path,
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      storage: 'array',
      bytes: 4 * 128 + 12 + 16 + 6 + 8,
    });
    const images = await readFile(join(home, 'datasets/Tiny-set-/train/images.npy'));
    expect(images.toString('latin1', 0, 10)).toBe('\x93NUMPY\x01\x00\x76\x00');
    expect(images.toString('latin1', 10, 128)).toBe(
      "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2, 3), }".padEnd(117) + '\n',
    );
    expect([...images.subarray(128)]).toEqual(trainPixels);
    const labels = await readFile(join(home, 'datasets/Tiny-set-/train/labels.npy'));
    expect(labels.toString('latin1', 10, 128)).toBe(
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }".padEnd(117) + '\n',
    );
    expect(labels.subarray(128).toString('hex')).toBe('01000000000000000000000000000000');
    const { mean, std, samplesPerClass, options, account } = (await getDataset(home, 'Tiny-set-')) as ImagesManifest;
    expect(account.length).toBeGreaterThan(0);
    expect(account).toEqual((await inspectDataset(home, [path], {})).account);
    expect({ samplesPerClass, options }).toEqual({
      samplesPerClass: { train: [1, 1], test: [0, 1] },
      options: { as: 'idx' },
    });
    const average = trainPixels.reduce((sum, pixel) => sum + pixel / 255, 0) / 12;
    const variance = trainPixels.reduce((sum, pixel) => sum + (pixel / 255 - average) ** 2, 0) / 12;
    expect(mean[0]).toBeCloseTo(average, 14);
    expect(std[0]).toBeCloseTo(Math.sqrt(variance), 14);
  });

  const arrangements: [string, (at: string) => Promise<string>, string][] = [
    ['gzip files', async (at) => await zipped(at), 'set'],
    ['a dot in place of a dash', async (at) => await renamed(at, (name) => name.replaceAll('-', '.')), 'set'],
    ['"test" for "t10k"', async (at) => await renamed(at, (name) => name.replace('t10k', 'test')), 'set'],
    ['files in MNIST/raw', async (at) => (await tinyFiles(join(at, 'MNIST/raw')), at), 'set'],
    ['a folder named raw', async (at) => await tinyFiles(join(at, 'KMNIST/raw')), 'KMNIST'],
    [
      'plain beside broken .gz',
      async (at) => await tinyFiles(at, { 'train-images-idx3-ubyte.gz': Buffer.of(1) }),
      'set',
    ],
  ];
  it.each(arrangements)('finds %s, with the same fingerprint', async (_, arrange, name) => {
    const plain = await importDataset({ paths: [await tinyFiles(join(folder, 'plain'))], home });
    const imported = await importDataset({ paths: [await arrange(join(folder, 'set'))], home });
    expect(imported).toMatchObject({ name, fingerprint: plain.fingerprint });
  });

  const zipped = async (at: string) =>
    await tinyFiles(at, {
      'train-images-idx3-ubyte': null,
      'train-images-idx3-ubyte.gz': gzipSync(trainImages),
      't10k-labels-idx1-ubyte': gzipSync(testLabels),
    });
  const renamed = async (at: string, rename: (name: string) => string) => {
    const from = await tinyFiles(`${at}-original`);
    for (const name of await readdir(from)) await cp(join(from, name), join(at, rename(name)));
    return at;
  };

  it('imports the sample in a few seconds, and once', async () => {
    const progress: [number, number][] = [];
    const onProgress = ({ done, total }: ImportProgress) => progress.push([done, total]);
    const imported = await ensureSample(home, 'mnist', { onProgress });
    expect(imported).toMatchObject({ name: 'mnist', classes: 10, sample: [1, 28, 28], train: 60000, test: 10000 });
    expect(progress.at(-1)).toEqual([70000, 70000]);
    const { mean, std, samplesPerClass } = (await getDataset(home, 'mnist')) as ImagesManifest;
    expect([mean[0]!.toFixed(4), std[0]!.toFixed(4)]).toEqual(['0.1307', '0.3081']);
    expect(samplesPerClass.test).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    expect(await ensureSample(home, 'mnist')).toEqual(imported);
    const both = await Promise.all([
      ensureSample(join(folder, 'other'), 'mnist'),
      ensureSample(join(folder, 'other'), 'mnist'),
    ]);
    expect(both[0]).toEqual(both[1]);
  }, 30_000);

  it('imports the speeches, one document each', async () => {
    const imported = await ensureSample(home, 'speeches');
    expect(imported).toMatchObject({
      name: 'speeches',
      kind: 'tokens',
      vocabulary: 257,
      train: 9709612,
      test: 1052034,
    });
  });

  it('gives images normalised', async () => {
    await importDataset({ paths: [await tinyFiles(join(folder, 'tiny'))], home });
    const { path, images } = await datasetSource(home, 'tiny', 'train');
    const { mean, std } = images!;
    const read = (samples: number[]) => native().readImages(path, images!, samples);
    const expected = trainPixels.slice(6).map((pixel) => (pixel / 255 - mean[0]!) / std[0]!);
    const second = [...(await read([1]))];
    second.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 6));
    expect(await read([1, 0])).toHaveLength(12);
    await expect(read([2])).rejects.toThrow('there is no sample 2 among 2');
  });

  it('keeps a channel of one value usable', async () => {
    const path = await tinyFiles(join(folder, 'flat'), {
      'train-images-idx3-ubyte': idx([2, 2, 3], Array(12).fill(51)),
    });
    await importDataset({ paths: [path], home });
    const { mean, std } = (await getDataset(home, 'flat')) as ImagesManifest;
    expect([mean, std]).toEqual([[0.2], [1]]);
  });

  it('refuses a name that is taken, and keeps what is there', async () => {
    const path = await tinyFiles(join(folder, 'tiny'));
    const first = await importDataset({ paths: [path], home, name: 'x' });
    await expect(importDataset({ paths: [path], home, name: 'x' })).rejects.toMatchObject({
      code: 'conflict',
      message: 'a dataset named x exists already; choose another name',
    });
    expect((await listDatasets(home)).datasets).toEqual([first]);
  });

  it.each(['', '.x', '../x', 'a/b', '-x', 'a b'])('refuses the name "%s"', async (name) => {
    const path = await tinyFiles(join(folder, 'tiny'));
    await expect(importDataset({ paths: [path], home, name })).rejects.toMatchObject({
      code: 'usage',
      message: `dataset name "${name}" may have letters, digits, "_", "-" and "." only`,
    });
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const cancel = new AbortController();
    const error = caught(importDataset({ paths: [samplePath('mnist')], home, signal: cancel.signal }));
    cancel.abort();
    expect(await error).toMatchObject({ code: 'cancelled', message: 'the import was cancelled' });
    expect(await leftovers()).toEqual([]);
  });
});

const trainAt = 'FOLDER/train-images-idx3-ubyte';
const malformed: [string, Record<string, Buffer | null>, string][] = [
  [
    'a file is missing',
    { 't10k-labels-idx1-ubyte': null },
    'FOLDER/t10k-images-idx3-ubyte has no t10k-labels-idx1-ubyte (plain or .gz) beside it, which an MNIST-family dataset needs',
  ],
  [
    'a file is not IDX',
    { 'train-images-idx3-ubyte': Buffer.from('<!DOCTYPE html>') },
    `${trainAt} is not an IDX file: it starts with 3c21444f, expected 00000803`,
  ],
  [
    'a file is empty',
    { 'train-images-idx3-ubyte': Buffer.alloc(0) },
    `${trainAt} is not an IDX file: it is empty, expected 00000803`,
  ],
  [
    'elements are floats',
    { 'train-images-idx3-ubyte': Buffer.from('00000d0300000000', 'hex') },
    `${trainAt} holds IDX type 0x0d, expected 0x08 (unsigned byte)`,
  ],
  [
    'labels stand in for images',
    { 'train-images-idx3-ubyte': trainLabels },
    `${trainAt} holds a 1-dimensional array, expected a 3-dimensional one`,
  ],
  [
    'a header is cut',
    { 'train-images-idx3-ubyte': trainImages.subarray(0, 10) },
    `${trainAt} is truncated: its header needs 16 bytes, got 10`,
  ],
  [
    'images are truncated',
    { 'train-images-idx3-ubyte': trainImages.subarray(0, 20) },
    `${trainAt} is truncated: 2 x 2 x 3 elements need 12 bytes, got 4`,
  ],
  [
    'a file goes on',
    { 'train-images-idx3-ubyte': Buffer.concat([trainImages, Buffer.alloc(1)]) },
    `${trainAt} goes on after the 12 bytes that 2 x 2 x 3 elements need`,
  ],
  [
    'counts differ',
    { 'train-labels-idx1-ubyte': idx([3], [0, 1, 1]) },
    `${trainAt} has 2 images, but FOLDER/train-labels-idx1-ubyte has 3 labels`,
  ],
  [
    'there are no images',
    { 'train-images-idx3-ubyte': idx([0, 2, 3], []), 'train-labels-idx1-ubyte': idx([0], []) },
    `${trainAt} is empty: 0 x 2 x 3`,
  ],
  [
    'sizes differ',
    { 't10k-images-idx3-ubyte': idx([1, 3, 3], Array(9).fill(0)) },
    'FOLDER/t10k-images-idx3-ubyte has images of 3 x 3, but FOLDER/train-images-idx3-ubyte of 2 x 3',
  ],
  [
    'a training label is out of range',
    { 'train-labels-idx1-ubyte': idx([2], [0, 200]) },
    'the labels run to 200, but no training image has label 1',
  ],
  [
    'a test label is out of range',
    { 't10k-labels-idx1-ubyte': idx([1], [2]) },
    'the labels run to 2, but no training image has label 2',
  ],
  [
    'a gzip file is cut',
    { 'train-images-idx3-ubyte': gzipSync(trainImages).subarray(0, 24) },
    `${trainAt} cannot be read: it ends too early`,
  ],
  [
    'a gzip checksum is wrong',
    { 'train-images-idx3-ubyte': flipped(gzipSync(trainImages)) },
    `${trainAt} cannot be read: corrupt gzip stream does not have a matching checksum`,
  ],
];

/** Changes the checksum that follows the compressed data. */
function flipped(gzip: Buffer): Buffer {
  gzip[gzip.length - 8]! ^= 1;
  return gzip;
}

describe('importDataset says what is wrong, and leaves nothing behind, where', () => {
  it.each(malformed)('%s', async (_, changes, message) => {
    const path = join(folder, 'bad');
    await tinyFiles(path, changes);
    const error = await caught(importDataset({ paths: [path], home }));
    expect(error).toMatchObject({ code: 'data', message: message.replaceAll('FOLDER', path) });
    expect(await leftovers()).toEqual([]);
  });

  it('two subfolders have files', async () => {
    await tinyFiles(join(folder, 'a'));
    await tinyFiles(join(folder, 'b'));
    expect(await caught(importDataset({ paths: [folder], home }))).toMatchObject({
      code: 'data',
      message: 'there are IDX files of several datasets (a, b); which of them counts?',
    });
  });

  it('the path does not exist, or holds no dataset', async () => {
    expect(await caught(importDataset({ paths: [join(folder, 'nowhere')], home }))).toMatchObject({
      code: 'data',
      message: `${folder}/nowhere does not exist`,
    });
    expect(await caught(importDataset({ paths: [folder], home }))).toMatchObject({
      code: 'data',
      message: expect.stringMatching(/^there is no file; what can be imported: MNIST-family IDX files; /) as string,
    });
  });

  it('the data folder cannot be written', async () => {
    await writeFile(home, 'a file');
    expect(await caught(importDataset({ paths: [await tinyFiles(join(folder, 'tiny'))], home }))).toMatchObject({
      code: 'storage',
      message: `${home}/datasets/tiny cannot be written: a part of the path is a file, not a folder`,
    });
  });
});

describe('an import onto a full disk', () => {
  it('is refused with one sentence and leaves nothing behind', async (context) => {
    const mounted = await withSmallDisk('size=4m', async (disk) => {
      expect(await caught(importDataset({ paths: [samplePath('mnist')], name: 'mnist', home: disk }))).toMatchObject({
        code: 'storage',
        message: `no space is left on the disk while writing ${disk}/datasets/mnist; free some and try again`,
      });
      expect(await readdir(join(disk, 'datasets'))).toEqual([]);
    });
    if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
  });
});

describe('an import onto a read-only disk', () => {
  it('is refused with one sentence', async (context) => {
    const mounted = await withSmallDisk('ro', async (disk) => {
      const paths = [await tinyFiles(join(folder, 'tiny'))];
      expect(await caught(importDataset({ paths, home: disk }))).toMatchObject({
        code: 'storage',
        message: `${disk}/datasets/tiny cannot be written: its file system is read-only; mount it for writing, or choose another folder`,
      });
    });
    if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
  });
});

describe('the catalogue', () => {
  it('is empty before the first import, and says how to import', async () => {
    expect(await listDatasets(home)).toEqual({ datasets: [], damaged: [] });
    expect(await caught(getDataset(home, 'mnist'))).toMatchObject({
      code: 'data',
      message: 'there is no dataset "mnist": none is imported yet; add one with "sdp import PATH"',
    });
  });

  it('reports damaged datasets without hiding the others', async () => {
    const path = await tinyFiles(join(folder, 'tiny'));
    for (const name of ['cut', 'good', 'nojson', 'odd']) await importDataset({ paths: [path], home, name });
    await mkdir(join(home, 'datasets/.partial-x-0'));
    await mkdir(join(home, 'datasets/bare'));
    await writeFile(join(home, 'datasets/cut/train/images.npy'), Buffer.alloc(5));
    await writeFile(join(home, 'datasets/nojson/manifest.json'), '{');
    await writeFile(join(home, 'datasets/odd/manifest.json'), '{"version": 2}');
    const { datasets, damaged } = await listDatasets(home);
    expect(datasets.map(({ name }) => name)).toEqual(['good']);
    const remedy = (name: string) => `remove its folder ${join(home, 'datasets', name)} and import it again`;
    expect(damaged.map(({ message }) => message)).toEqual([
      `dataset bare is damaged: manifest.json cannot be read (ENOENT); ${remedy('bare')}`,
      `dataset cut is damaged: its arrays have 419 bytes, expected 554; ${remedy('cut')}`,
      `dataset nojson is damaged: manifest.json is not JSON; ${remedy('nojson')}`,
      `dataset odd is damaged: manifest.json: kind is missing; ${remedy('odd')}`,
    ]);
    expect(await caught(getDataset(home, 'absent'))).toMatchObject({
      message:
        'there is no dataset "absent": imported are bare, cut, good, nojson, odd; add one with "sdp import PATH"',
    });
  });
});
