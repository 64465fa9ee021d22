// The choice of the data folder: what is chosen is checked and made ready, then kept (home.ts reads it) for the next start. Nothing is moved, and
// what this process does goes on in the folder that it has.

import { mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import type { DataFolder } from '../contract/dataFolder.ts';
import { UserError } from '../contract/errors.ts';
import { listDatasets } from '../data/catalogue.ts';
import { makeFolder, replaceFile, storageError, systemCode } from '../files/files.ts';
import { isBelow, realPath } from '../files/paths.ts';
import { choiceFile, defaultHome, fixedHome, readChoice, type Choice } from './home.ts';
import { listRuns } from '../records/runList.ts';

/** What the app writes into a data folder, and what systems put into the root of a disk. */
const known =
  /^(datasets|runs|uploads|logs|lock|(settings|data-folder)\.json|lost\+found|System Volume Information|\$RECYCLE\.BIN|\.(DS_Store|Trash.*|Spotlight-V100|fseventsd))$/;

export async function dataFolderOf(inUse: string): Promise<DataFolder> {
  const fixed = fixedHome();
  if (fixed !== null) return { inUse, next: fixed, chosen: false, fixed: true };
  const chosen = await readChoice();
  return { inUse, next: chosen ?? defaultHome(), chosen: chosen !== null, fixed: false };
}

/** Keeps a choice, null for the default. Returns null, or without choosing a folder in it to offer where it holds other things. */
export async function chooseDataFolder(inUse: string, folder: string | null): Promise<string | null> {
  if (fixedHome() !== null)
    throw new UserError('conflict', 'SDP_HOME decides the data folder; unset it and start again to choose another');
  if (folder === null) return forget();
  if (!isAbsolute(folder))
    throw new UserError('usage', `the data folder must be an absolute path, got ${folder}`, { key: folder });
  const path = resolve(folder);
  const [real, realInUse, realDefault] = await Promise.all([path, inUse, defaultHome()].map(realPath));
  if (real === realDefault) return forget();
  if (isBelow(real!, realInUse!))
    throw new UserError('usage', `${path} is inside the data folder in use, ${inUse}; choose a folder outside it`, {
      key: path,
    });
  if (await holdsOther(path)) return join(path, 'sdp-lab');
  await makeReady(path);
  await keep(path);
  return null;
}

/** Neither empty (or not there yet), nor a data folder. */
async function holdsOther(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw storageError(error, folder);
  });
  if (names.every((name) => known.test(name))) return false;
  const [{ runs }, { datasets }] = await Promise.all([listRuns(folder), listDatasets(folder)]);
  return runs.length + datasets.length === 0;
}

/** Makes it a data folder that can be written. */
async function makeReady(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await makeFolder(join(folder, 'runs'));
    await rmdir(await mkdtemp(join(folder, '.writable-')));
  } catch (error) {
    throw storageError(error, folder);
  }
}

async function keep(folder: string): Promise<void> {
  await makeFolder(defaultHome());
  await replaceFile(choiceFile(), (file) => file.writeFile(JSON.stringify({ folder } satisfies Choice)));
}

async function forget(): Promise<null> {
  await rm(choiceFile(), { force: true }).catch((error: unknown) => {
    throw storageError(error, choiceFile());
  });
  return null;
}
