// Imports a dataset from files into the catalogue: written by the addon to a folder that begins with a dot, renamed when it is complete.
//
// On an error, a full disk or a cancellation nothing is left behind. An import that was killed leaves its folder, and the next import of
// the same files under the same name goes on from there.

import { access, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { dataset, type Dataset } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { verdict, type ImportOptions, type Verdict } from '../contract/verdict.ts';
import { native, type ImportProgress, type NativeImport } from '../native.ts';
import { keepFingerprint } from './fingerprint.ts';
import { storageError, systemCode, temporaryName } from '../files/files.ts';
import { datasetName, datasetsFolder, manifest } from './manifest.ts';

export type { ImportProgress };

/** Milliseconds between two looks at the progress. */
const progressEveryMs = 200;

export interface ImportSpec {
  /** Files or folders. */
  paths: readonly string[];
  options?: ImportOptions | undefined;
  /** Name in the catalogue; default: from the first path. */
  name?: string | undefined;
  /** Folder of the app's state. */
  home: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: ImportProgress) => void) | undefined;
}

/** The verdict about files; imports and changes nothing. */
export async function inspectDataset(home: string, given: readonly string[], options: ImportOptions): Promise<Verdict> {
  const paths = given.map((path) => resolve(path));
  const scratch = temporaryName(join(datasetsFolder(home), '.inspection'));
  const found: unknown = JSON.parse(await native().inspectDataset(paths, JSON.stringify(options), scratch));
  return verdict.parse({ ...(found as object), paths, name: defaultName(paths[0]!) });
}

export async function importDataset({ home, signal, onProgress, options = {}, ...spec }: ImportSpec): Promise<Dataset> {
  const paths = spec.paths.map((path) => resolve(path));
  const name = checkedName(spec.name ?? defaultName(paths[0]!));
  const folder = join(datasetsFolder(home), name);
  if (await exists(folder)) throw taken(name);
  const partial = join(datasetsFolder(home), `.partial-${name}`);
  if (signal?.aborted) throw new UserError('cancelled', 'the import was cancelled');
  try {
    const job = native().openImport(paths, JSON.stringify(options), partial, folder);
    const found: unknown = JSON.parse(await observed(job, signal, onProgress));
    const written = manifest.parse({
      ...(found as object),
      version: 2,
      name,
      source: paths.map((path) => sourceName(home, path)).join(', '),
      options: { ...options, as: (found as { format: string }).format },
      importedAt: new Date().toISOString(),
    });
    await writeFile(join(partial, 'manifest.json'), `${JSON.stringify(written, null, 2)}\n`, { flush: true });
    await keepFingerprint(partial, written.fingerprint, written.files);
    await rm(join(partial, 'lock'));
    await rename(partial, folder).catch((error: unknown) => {
      throw ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '') ? taken(name) : error;
    });
    return dataset.parse(written);
  } catch (error) {
    // The folder of another import that is under way is not ours to remove. Where tidying up fails too, the first error is the one to report.
    const others = error instanceof UserError && error.code === 'conflict' && !(await exists(folder));
    if (!others) await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw storageError(error, folder);
  }
}

/** Runs an import; tells of its progress and ends it when the signal says so. */
async function observed(
  job: NativeImport,
  signal: AbortSignal | undefined,
  onProgress: ImportSpec['onProgress'],
): Promise<string> {
  const cancel = () => job.cancel();
  signal?.addEventListener('abort', cancel);
  const timer = onProgress && setInterval(() => onProgress(job.progress()), progressEveryMs);
  try {
    const result = await job.run();
    onProgress?.(job.progress());
    return result;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', cancel);
  }
}

/** Name of the file without what says its format, or of the folder; of the one above where it says nothing (`MNIST/raw`). */
export function defaultName(path: string): string {
  let place = path;
  while (/^(raw|data)$/i.test(basename(place))) place = dirname(place);
  return (
    basename(place)
      .replace(/(\.(gz|tgz|tar|zip|npz|npy|bin|csv|tsv|jsonl?|parquet|txt))+$/i, '')
      .replace(/[^A-Za-z0-9_.-]+/g, '-')
      .replace(/^[-.]+/, '')
      .slice(0, 100) || 'dataset'
  );
}

/** What a page sent to HOME/uploads is not there for long: of it the name is kept. */
function sourceName(home: string, path: string): string {
  return path.startsWith(join(resolve(home), 'uploads') + sep) ? `${basename(path)} (sent by a page)` : path;
}

function checkedName(name: string): string {
  if (datasetName.test(name)) return name;
  const sentence = `dataset name "${name}" may have letters, digits, "_", "-" and "." only`;
  throw new UserError('usage', sentence, { key: 'name' });
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
