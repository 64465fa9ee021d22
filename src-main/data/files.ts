// Writing files whole or not at all, and the one place that turns a file system's refusal into a sentence.

import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';

const refusals: Record<string, (path: string) => string> = {
  ENOSPC: (path) => `no space is left on the disk while writing ${path}; free some and try again`,
  EDQUOT: (path) => `the disk quota is used up while writing ${path}; free some space and try again`,
  EROFS: (path) => `${path} cannot be written: its file system is read-only`,
  EACCES: (path) => `${path} cannot be written: permission denied`,
  EPERM: (path) => `${path} cannot be written: permission denied`,
  ENOTDIR: (path) => `${path} cannot be written: a part of the path is a file, not a folder`,
  ENOENT: (path) => `${path} cannot be written: its folder does not exist`,
};

/** Code of a system error (`ENOENT`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** A failed write as a `storage` error with one sentence; whatever is no system error is returned as it is. */
export function storageError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (code === undefined) return error;
  const sentence = refusals[code]?.(path) ?? `${path} cannot be written (${code})`;
  return new UserError('storage', sentence, { key: path, cause: error });
}

/** A name beside `path` that no other writer uses. */
export function temporaryName(path: string): string {
  return `${path}.partial-${randomBytes(6).toString('hex')}`;
}

/** Writes `path` through a temporary file in the same folder, synced and renamed; on failure neither is left or touched. */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
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
  }
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
