// The imported datasets, as folders under HOME/datasets. Nothing is cached: the file system is the catalogue.

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { dataset, type Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { faultOf } from '../contract/fault.ts';
import type { ImageReading } from '../contract/records.ts';
import { isMissing, readError } from '../files/files.ts';
import { datasetName, datasetsFolder, manifest, type Manifest, type Split } from './manifest.ts';

export interface Catalogue {
  /** In order of name. */
  datasets: Dataset[];
  /** One `data` error for each dataset that cannot be used, its name as `key`. */
  damaged: UserError[];
}

export async function listDatasets(home: string): Promise<Catalogue> {
  const catalogue: Catalogue = { datasets: [], damaged: [] };
  for (const name of await datasetNames(home)) {
    try {
      catalogue.datasets.push(dataset.parse(await readManifest(home, name)));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      catalogue.damaged.push(new UserError(error.code, error.message, { key: name, cause: error }));
    }
  }
  return catalogue;
}

/** Fails with a `data` error that lists what there is where the name is unknown, and with one where it is damaged. */
export async function getDataset(home: string, name: string): Promise<Manifest> {
  await datasetFolder(home, name);
  return await readManifest(home, name);
}

/** Where a dataset is, damaged or not. Fails as `getDataset` does where there is none. */
export async function datasetFolder(home: string, name: string): Promise<string> {
  const names = await datasetNames(home);
  if (names.includes(name)) return join(datasetsFolder(home), name);
  const there = names.length > 0 ? `imported are ${names.join(', ')}` : 'none is imported yet';
  throw new UserError('data', `there is no dataset "${name}": ${there}; add one with "sdp import PATH"`, { key: name });
}

/** What the loader needs to read a split: its folder, and of images how pixels are normalised and how files are read. */
export interface SplitSource {
  path: string;
  /** Null: tokens. */
  images: ImageReading | null;
}

export async function datasetSource(home: string, name: string, split: Split): Promise<SplitSource> {
  return sourceOf(home, await getDataset(home, name), split);
}

export function sourceOf(home: string, found: Manifest, split: Split): SplitSource {
  const path = join(datasetsFolder(home), found.name, split);
  if (found.kind === 'tokens') return { path, images: null };
  const [channels, height, width] = found.sample as [number, number, number];
  const isFiles = found.storage === 'encoded';
  const encoded = isFiles ? { channels, height, width, resize: found.options.resize ?? 'crop' } : undefined;
  return { path, images: { kind: 'images', mean: found.mean, std: found.std, encoded } };
}

/** Folders with a valid name; those of imports under way begin with a dot. */
async function datasetNames(home: string): Promise<string[]> {
  try {
    const entries = await readdir(datasetsFolder(home), { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return names.filter((name) => datasetName.test(name)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw readError(error, datasetsFolder(home));
  }
}

/** The folder's name counts, so that a dataset can be renamed by hand. */
async function readManifest(home: string, name: string): Promise<Manifest> {
  const folder = join(datasetsFolder(home), name);
  const parsed = manifest.safeParse(await readJson(folder), { reportInput: true });
  if (!parsed.success) throw damaged(folder, `manifest.json: ${faultOf(parsed.error)}`);
  const sizes = await Promise.all(parsed.data.files.map(({ path }) => sizeOf(join(folder, path))));
  const found = sizes.reduce((total, size) => total + size, 0);
  if (found !== parsed.data.bytes)
    throw damaged(folder, `its arrays have ${found} bytes, expected ${parsed.data.bytes}`);
  return { ...parsed.data, name };
}

async function readJson(folder: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isMissing(error)) throw readError(error, join(folder, 'manifest.json'));
    const problem = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read (ENOENT)';
    throw damaged(folder, `manifest.json ${problem}`, error);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw readError(error, path);
  }
}

function damaged(folder: string, problem: string, cause?: unknown): UserError {
  const name = basename(folder);
  const message = `dataset ${name} is damaged: ${problem}; remove its folder ${folder} and import it again`;
  return new UserError('data', message, { key: name, cause });
}
