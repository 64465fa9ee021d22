// Imports a dataset from files into the catalogue: recognised by an importer, written to a temporary folder, renamed when complete.
//
// On an error, a full disk or a cancellation nothing is left behind. Other formats are added to `importers`.

import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { dataset, type Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { storageError, systemCode } from './files.ts';
import { idxImporter } from './idxImporter.ts';
import type { DatasetSource, FormatOptions, ImageSource, ImageSplit, Importer, TokenSource } from './importer.ts';
import {
  arrayFiles,
  datasetName,
  datasetsFolder,
  splits,
  type ImagesManifest,
  type Split,
  type TokensManifest,
} from './manifest.ts';
import { pixelStatistics, writeImages, writeLabels, type WriteContext } from './splitWriter.ts';
import { tokenImporter } from './tokenImporter.ts';
import { writeTokens } from './tokenWriter.ts';

export const importers: readonly Importer[] = [idxImporter, tokenImporter];

export interface ImportOptions extends FormatOptions {
  /** File or folder. */
  path: string;
  /** Name in the catalogue; default: from the folder. */
  name?: string | undefined;
  /** Kind of importer; default: recognised. */
  as?: string | undefined;
  /** Folder of the app's state. */
  home: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((samples: number, total: number) => void) | undefined;
}

export async function importDataset(options: ImportOptions): Promise<Dataset> {
  const path = resolve(options.path);
  const importer = await chooseImporter(path, options.as);
  const name = options.name ?? (await defaultName(path));
  if (!datasetName.test(name))
    throw new UserError('usage', `dataset name "${name}" may have letters, digits, "_", "-" and "." only`, {
      key: 'name',
    });
  const folder = join(datasetsFolder(options.home), name);
  if (await exists(folder)) throw taken(name);
  const source = await importer.open(path, options);
  if (source.kind === 'images') checkSameSample(source);
  return await writeAndRename(folder, name, (partial) => writeDataset(partial, name, importer, source, options));
}

async function chooseImporter(path: string, kind: string | undefined): Promise<Importer> {
  const known = importers.map((importer) => importer.kind).join(', ');
  const candidates = importers.filter((importer) => kind === undefined || importer.kind === kind);
  if (candidates.length === 0)
    throw new UserError('usage', `"${kind}" is not a kind of dataset that can be imported; known: ${known}`, {
      key: 'as',
    });
  if (!(await exists(path))) throw new UserError('data', `${path} does not exist`, { key: path });
  for (const importer of candidates) if (await importer.detect(path)) return importer;
  const expected = candidates.map((importer) => importer.title).join('; ');
  throw new UserError('data', `${path} holds no dataset that can be imported; expected ${expected}`, { key: path });
}

/** Name of the folder, or of the one above where it says nothing (`MNIST/raw`). */
async function defaultName(path: string): Promise<string> {
  let folder = (await stat(path)).isDirectory() ? path : dirname(path);
  while (/^(raw|data)$/i.test(basename(folder))) folder = dirname(folder);
  return (
    basename(folder)
      .replace(/[^A-Za-z0-9_.-]+/g, '-')
      .replace(/^[-.]+/, '')
      .slice(0, 100) || 'dataset'
  );
}

function checkSameSample({ path, train, test }: ImageSource): void {
  const [trainSize, testSize] = [train.sample.join(' x '), test.sample.join(' x ')];
  if (trainSize !== testSize)
    throw new UserError('data', `${path} has training images of ${trainSize} but test images of ${testSize}`);
}

async function writeAndRename<T>(folder: string, name: string, write: (partial: string) => Promise<T>): Promise<T> {
  const partial = join(dirname(folder), `.partial-${name}-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(partial, { recursive: true });
    const result = await write(partial);
    await rename(partial, folder).catch((error: unknown) => {
      throw ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '') ? taken(name) : error;
    });
    return result;
  } catch (error) {
    // What failed is what to report, even if tidying up fails too.
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw storageError(error, folder);
  }
}

async function writeDataset(
  folder: string,
  name: string,
  importer: Importer,
  source: DatasetSource,
  options: ImportOptions,
): Promise<Dataset> {
  const hash = createHash('sha256');
  const [train, test] =
    source.kind === 'images' ? [source.train.samples, source.test.samples] : [source.train.count, source.test.count];
  const context = (before: number): WriteContext => ({
    hash,
    signal: options.signal,
    onSamples: (samples) => options.onProgress?.(before + samples, train + test),
  });
  await Promise.all(splits.map((split) => mkdir(join(folder, split))));
  const contexts = { train: context(0), test: context(train) };
  const content =
    source.kind === 'images'
      ? await writeImageDataset(folder, source, contexts)
      : await writeTokenDataset(folder, source, contexts);
  const sizes = await Promise.all(arrayFiles(source.kind).map(async (file) => (await stat(join(folder, file))).size));
  const manifest = {
    version: 1 as const,
    ...content,
    name,
    train,
    test,
    source: source.path,
    fingerprint: hash.digest('hex'),
    bytes: sizes.reduce((total, size) => total + size, 0),
    options: { as: importer.kind },
    importedAt: new Date().toISOString(),
  };
  await writeFile(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
  return dataset.parse(manifest);
}

type Contexts = Record<Split, WriteContext>;

async function writeImageDataset(
  folder: string,
  { train, test }: ImageSource,
  contexts: Contexts,
): Promise<Pick<ImagesManifest, 'kind' | 'classes' | 'classNames' | 'sample' | 'mean' | 'std' | 'samplesPerClass'>> {
  const trainPart = await writeImageSplit(join(folder, 'train'), train, null, contexts.train);
  const classes = trainPart.perClass.length;
  const testPart = await writeImageSplit(join(folder, 'test'), test, classes, contexts.test);
  const statistics = trainPart.histograms.map(pixelStatistics);
  return {
    kind: 'images',
    classes,
    classNames: Array.from({ length: classes }, (_, label) => String(label)),
    sample: train.sample,
    mean: statistics.map(({ mean }) => mean),
    std: statistics.map(({ std }) => std),
    samplesPerClass: { train: trainPart.perClass, test: testPart.perClass },
  };
}

async function writeTokenDataset(
  folder: string,
  { train, test }: TokenSource,
  contexts: Contexts,
): Promise<Pick<TokensManifest, 'kind' | 'vocabulary' | 'largest'>> {
  const ofTrain = await writeTokens(join(folder, 'train'), train, contexts.train);
  const ofTest = await writeTokens(join(folder, 'test'), test, contexts.test);
  const largest = ofTest.token > ofTrain.token ? ofTest : ofTrain;
  return { kind: 'tokens', vocabulary: largest.token + 1, largest };
}

async function writeImageSplit(folder: string, source: ImageSplit, classes: number | null, context: WriteContext) {
  const perClass = await writeLabels(folder, source, classes, context);
  const histograms = await writeImages(folder, source, context);
  return { perClass, histograms };
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function taken(name: string): UserError {
  return new UserError('conflict', `a dataset named ${name} exists already; choose another name`, { key: name });
}
