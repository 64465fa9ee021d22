// Where the file of a store lies.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { whyUnread } from '../files/files.ts';
import { native, type NativeStore } from '../native.ts';
import type { StoreSpec } from '../plan/prepare.ts';
import { memoryFolder } from '../records/leftStores.ts';

/** Where this process ends meanwhile, no file is left. */
export async function createStore(path: string, layout: string): Promise<NativeStore> {
  const removeFile = (): void => rmSync(path, { force: true });
  process.once('exit', removeFile);
  try {
    return await native().createStore(path, layout);
  } finally {
    process.off('exit', removeFile);
  }
}

/** A new file for a store; removeStaleStores() finds it when this process is gone. */
export async function placeOfStore({ bytes }: Pick<StoreSpec, 'bytes'>): Promise<string> {
  const name = `sdp-lab-${process.pid}-${randomBytes(6).toString('hex')}.store`;
  return join(await storeFolder(bytes), name);
}

/** The memory file system where there is one with room (containers often have a small one), else the folder for temporary files. */
async function storeFolder(bytes: number): Promise<string> {
  if ((await roomIn(memoryFolder).catch(() => 0)) > bytes) return memoryFolder;
  const temporary = tmpdir();
  await roomIn(temporary).catch((error: unknown) => {
    const sentence = `the folder for temporary files, ${temporary}, cannot be used${whyUnread(error)}; name another in TMPDIR`;
    throw new UserError('storage', sentence, { key: temporary, cause: error });
  });
  return temporary;
}

/** Bytes that can be written in a folder; fails where it cannot be written. */
async function roomIn(folder: string): Promise<number> {
  await access(folder, constants.W_OK | constants.X_OK);
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
