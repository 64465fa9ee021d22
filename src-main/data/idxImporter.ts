// Importer of MNIST-family datasets: four IDX files {train, t10k or test} x {images, labels}, plain or .gz, with `-` or `.` in their names.
// They lie in the folder itself or in one of its subfolders, two levels down at most (torchvision keeps them in MNIST/raw).

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { readIdxData, readIdxHeader } from './idx.ts';
import type { ImageSplit, Importer } from './importer.ts';

const fileName = /^(train|t10k|test)[-.](images|labels)[-.]idx[13][-.]ubyte(\.gz)?$/i;
const deepestLevel = 2;

type Split = 'train' | 'test';
type Content = 'images' | 'labels';

export const idxImporter: Importer = {
  kind: 'idx',
  title: 'MNIST-family IDX files (train-images-idx3-ubyte, t10k-labels-idx1-ubyte and their like, plain or .gz)',
  detect: async (path) => (await foldersWithIdx(path)).length > 0,
  async open(path) {
    const folders = await foldersWithIdx(path);
    if (folders.length > 1)
      throw new UserError('data', `${path} has IDX files in several folders (${folders.join(', ')}); give one of them`);
    const folder = folders[0]!;
    const names = (await readdir(folder)).filter((name) => fileName.test(name));
    const [train, test] = [await openSplit(folder, names, 'train'), await openSplit(folder, names, 'test')];
    return { kind: 'images', path: folder, train, test };
  },
};

/** Folders at the shallowest level that has such files. A path that is such a file stands for its folder. */
async function foldersWithIdx(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return fileName.test(basename(path)) ? [dirname(path)] : [];
  let level = [path];
  for (let depth = 0; depth <= deepestLevel; depth += 1) {
    const listings = await Promise.all(level.map(listFolder));
    const found = level.filter((_, index) => listings[index]!.files.some((name) => fileName.test(name)));
    if (found.length > 0) return found;
    level = level.flatMap((folder, index) => listings[index]!.folders.map((name) => join(folder, name)));
  }
  return [];
}

/** Hidden folders and those that may not be read count as empty. */
async function listFolder(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const visible = entries.filter((entry) => !entry.name.startsWith('.'));
  return {
    files: visible.filter((entry) => !entry.isDirectory()).map((entry) => entry.name),
    folders: visible.filter((entry) => entry.isDirectory()).map((entry) => entry.name),
  };
}

async function openSplit(folder: string, names: string[], split: Split): Promise<ImageSplit> {
  const imagesPath = join(folder, findFile(folder, names, split, 'images'));
  const labelsPath = join(folder, findFile(folder, names, split, 'labels'));
  const imageShape = await readIdxHeader(imagesPath, 3);
  const labelShape = await readIdxHeader(labelsPath, 1);
  const [samples, height, width] = imageShape as [number, number, number];
  if (samples !== labelShape[0])
    throw new UserError('data', `${imagesPath} has ${samples} images, but ${labelsPath} has ${labelShape[0]} labels`, {
      key: labelsPath,
    });
  if (samples * height * width === 0)
    throw new UserError('data', `${imagesPath} is empty: ${imageShape.join(' x ')}`, { key: imagesPath });
  return {
    sample: [1, height, width],
    samples,
    labelsPath,
    labels: readIdxData(labelsPath, labelShape),
    images: readIdxData(imagesPath, imageShape),
  };
}

/** Where a file is there twice, the plain one (unpackers keep both) and `t10k` come first. */
function findFile(folder: string, names: string[], split: Split, content: Content): string {
  const prefixes = split === 'train' ? ['train'] : ['t10k', 'test'];
  for (const prefix of prefixes) {
    const fitting = names.filter((name) => new RegExp(`^${prefix}[-.]${content}`, 'i').test(name));
    const plain = fitting.find((name) => !/\.gz$/i.test(name));
    const chosen = plain ?? fitting[0];
    if (chosen !== undefined) return chosen;
  }
  const expected = `${prefixes[0]}-${content}-idx${content === 'images' ? 3 : 1}-ubyte`;
  throw new UserError('data', `${folder} has no ${expected} (plain or .gz), which an MNIST-family dataset needs`, {
    key: expected,
  });
}
