// Writing files whole or not at all, and the one place that turns a file system's refusal into a sentence.

import { randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, type Dirent } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../contract/errors.ts';

const noSpace: Record<string, (path: string) => string> = {
  ENOSPC: (path) => `no space is left on the disk while writing ${path}; free some and try again`,
  EDQUOT: (path) => `the disk quota is used up while writing ${path}; free some space and try again`,
};

/** Why, and what to do about it. */
const reasons: Record<string, string> = {
  ENOENT: 'it is not there',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'its file system is read-only; mount it for writing, or choose another folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder is in its place; move it away',
  ELOOP: 'its symbolic links lead round in a circle',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'this process has as many files open as it may (ulimit -n); raise that limit',
  ENFILE: 'the machine has as many files open as it may',
  ENOMEM: 'the system gives no memory for it',
  EFBIG: 'it would be larger than a file may be there (ulimit -f)',
  EIO: 'its disk fails (EIO)',
};

/** Code of a system error (`ENOENT`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** A failed write as a `storage` error with one sentence; whatever is no system error is returned as it is. */
export function storageError(error: unknown, path: string, code = systemCode(error)): unknown {
  if (code === undefined) return error;
  const isDenied = code === 'EACCES' || code === 'EPERM';
  const reason = code === 'ENOENT' ? 'its folder does not exist' : reasons[code];
  const remedy = isDenied ? '; make it writable for this user, or choose another folder' : '';
  const sentence =
    noSpace[code]?.(path) ?? `${path} cannot be written${reason ? `: ${reason}${remedy}` : ` (${code})`}`;
  return new UserError('storage', sentence, { key: path, cause: error });
}

/** The text of a file or pipe that a user names, which must not be larger than `limit` bytes; an Error says why it cannot be read. */
export async function readSmallText(path: string, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw new Error(`it is larger than ${limit >> 20} MiB`);
      chunks.push(chunk);
    }
  } catch (error) {
    const code = systemCode(error) ?? '';
    throw code in reasons
      ? new Error(isMissing(error) ? 'there is no such file' : reasons[code], { cause: error })
      : error;
  }
  return Buffer.concat(chunks).toString();
}

/** The same for a failed read. */
export function readError(error: unknown, path: string): unknown {
  if (systemCode(error) === undefined) return error;
  return new UserError('storage', `${path} cannot be read${whyUnread(error)}`, { key: path, cause: error });
}

/** What goes behind "cannot be read". */
export function whyUnread(error: unknown): string {
  const code = systemCode(error) ?? String(error);
  return reasons[code] ? `: ${reasons[code]}` : ` (${code})`;
}

/** Whether it is not there, and no more than that. */
export const isMissing = (error: unknown): boolean => systemCode(error) === 'ENOENT';

/** Names in a folder; none where it is not there. */
export async function namesIn(folder: string, when: (entry: Dirent) => boolean = () => true): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(when).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw readError(error, folder);
  }
}

/** Makes a folder, with those above it, where it is not there. Node's own `recursive` says ENOENT of a read-only disk, and EEXIST of a file. */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path), mode);
      return await makeFolder(path, mode);
    }
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory()) return;
    throw storageError(error, path, found ? 'ENOTDIR' : code);
  }
}

/** A name beside `path` that no other writer uses. */
export function temporaryName(path: string): string {
  return `${path}.partial-${randomBytes(6).toString('hex')}`;
}

/** Removes what a process has left in a folder that was killed while it replaced a file. */
export async function removePartialFiles(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const partial = names.filter((name) => /\.partial-[0-9a-f]{12}$/.test(name));
  await Promise.all(partial.map((name) => rm(join(folder, name), { force: true }).catch(() => undefined)));
}

/** What is being written; removed where the process exits meanwhile. */
const unfinished = new Set<string>();
process.on('exit', () => {
  for (const path of unfinished)
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // It stays; the next writer of its folder removes it.
    }
});

/** Writes `path` through a temporary file in the same folder, synced and renamed; on failure neither is left or touched. */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  unfinished.add(temporary);
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // What failed is what to report, even if tidying up fails too.
    await rm(temporary, { force: true }).catch(() => {});
    throw storageError(error, path);
  } finally {
    unfinished.delete(temporary);
  }
}

/**
 * Puts the files that `write` makes in an empty folder into `folder`, in place of those of the same names, when all are there. On failure
 * those of before are as they were, and none of the new ones is left.
 */
export async function replaceFiles<T>(folder: string, write: (beside: string) => Promise<T>): Promise<T> {
  let beside: string | undefined;
  try {
    await makeFolder(folder);
    beside = mkdtempSync(join(folder, `.partial-${process.pid}-`));
    unfinished.add(beside);
    const result = await write(beside);
    await moveAll(beside, folder);
    await syncFolder(folder);
    return result;
  } catch (error) {
    throw storageError(error, folder);
  } finally {
    if (beside) await rm(beside, { recursive: true, force: true }).catch(() => {});
    if (beside) unfinished.delete(beside);
  }
}

/** Renames the files of a folder into another; where one cannot be, those that were replaced come back (if the system knows links). */
async function moveAll(from: string, to: string): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const name of await readdir(from)) {
      const [source, target, before] = [join(from, name), join(to, name), join(from, `.${name}`)];
      const isKept = await link(target, before).then(
        () => true,
        () => false,
      );
      await rename(source, target);
      undo.push(isKept ? () => rename(before, target) : () => rename(target, source));
    }
  } catch (error) {
    for (const takeBack of undo) await takeBack().catch(() => {});
    throw error;
  }
}

/** Makes renames in a folder durable; where a system cannot open folders, the rename alone has to do. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Fills `target` from `position` of the file; returns the number of bytes read, fewer only at the end of the file. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  const largestRead = 2 ** 30;
  let filled = 0;
  while (filled < target.byteLength) {
    const length = Math.min(target.byteLength - filled, largestRead);
    const { bytesRead } = await file.read(target, filled, length, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
