// Files of tokens: .npy arrays of one axis, or raw little-endian .bin files, of uint16 or uint32. Read as a stream, never as a whole.

import { open, stat, type FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { readFully, systemCode } from './files.ts';
import { readNpyHeader } from './npy.ts';

export const tokenTypes = { uint16: '<u2', uint32: '<u4' } as const;
export type TokenType = (typeof tokenTypes)[keyof typeof tokenTypes];

/** Tokens [start, start + count) of a file. */
export interface TokenRange {
  path: string;
  type: TokenType;
  /** Where token 0 of the file starts, bytes. */
  dataStart: number;
  start: number;
  count: number;
}

const chunkBytes = 2 ** 18;

export const bytesOf = (type: TokenType): number => (type === '<u2' ? 2 : 4);

/** All tokens of a file. `binType` is the type of a .bin file, which does not say it itself. */
export async function openTokens(path: string, binType: TokenType): Promise<TokenRange> {
  const { size } = await stat(path);
  const { type, dataStart, shape } =
    extname(path) === '.bin' ? { type: binType, dataStart: 0, shape: null } : await npyTokens(path);
  const count = (size - dataStart) / bytesOf(type);
  if (!Number.isInteger(count) || (shape !== null && shape !== count))
    throw refused(path, `is truncated: it has ${size - dataStart} bytes of ${typeName(type)} tokens`);
  return { path, type, dataStart, start: 0, count };
}

/** The raw tokens in chunks of whole tokens. */
export async function* readTokens({
  path,
  type,
  dataStart,
  start,
  count,
}: TokenRange): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openFile(path);
  try {
    const end = dataStart + (start + count) * bytesOf(type);
    for (let at = dataStart + start * bytesOf(type); at < end; at += chunkBytes) {
      const chunk = new Uint8Array(Math.min(chunkBytes, end - at));
      if ((await readFully(file, chunk, at)) < chunk.length) throw refused(path, 'became shorter while it was read');
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

/** Raw tokens as numbers. */
export function tokenValues(chunk: Uint8Array, type: TokenType): Uint16Array | Uint32Array {
  const { buffer, byteOffset, byteLength } = chunk;
  return type === '<u2'
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}

async function npyTokens(path: string): Promise<{ type: TokenType; dataStart: number; shape: number }> {
  const file = await openFile(path);
  try {
    const { type, shape, dataStart } = await readNpyHeader(file, (problem) => refused(path, problem));
    const known = Object.values(tokenTypes).find((one) => one === type);
    if (!known || shape.length !== 1)
      throw refused(path, `holds ${type} of ${shape.length} axes, expected uint16 or uint32 tokens of one axis`);
    return { type: known, dataStart, shape: shape[0]! };
  } finally {
    await file.close();
  }
}

const typeName = (type: TokenType): string => (type === '<u2' ? 'uint16' : 'uint32');

async function openFile(path: string): Promise<FileHandle> {
  return await open(path, 'r').catch((error: unknown) => {
    throw refused(path, `cannot be read (${systemCode(error)})`, error);
  });
}

function refused(path: string, problem: string, cause?: unknown): UserError {
  return new UserError('data', `${path} ${problem}`, { key: path, cause });
}
