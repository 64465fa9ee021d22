// IDX files of unsigned bytes, plain or gzip-compressed (recognised by content), as streams: never more than some chunks in memory.
//
// Format (MNIST): bytes 0 0, element type (8: unsigned byte), number of axes; then each extent as a big-endian u32; then the elements in
// row-major order. A file must hold exactly what its header announces; everything else is a `data` error that names the file.

import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserError } from '../contract/errors.ts';
import { systemCode } from './files.ts';

const chunkBytes = 2 ** 18;

/** Extents of the array; `axes` is how many there must be. */
export async function readIdxHeader(path: string, axes: number): Promise<number[]> {
  const needed = headerBytes(axes);
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of contentOf(path)) {
    head = Buffer.concat([head, chunk]);
    if (head.length >= needed) break;
  }
  if (head.length < 4 || head.readUInt16BE() !== 0) {
    const start = head.length === 0 ? 'it is empty' : `it starts with ${head.toString('hex', 0, 4)}`;
    throw refused(path, `is not an IDX file: ${start}, expected 000008${hexByte(axes)}`);
  }
  if (head[2] !== 8) throw refused(path, `holds IDX type 0x${hexByte(head[2]!)}, expected 0x08 (unsigned byte)`);
  if (head[3] !== axes) throw refused(path, `holds a ${head[3]}-dimensional array, expected a ${axes}-dimensional one`);
  if (head.length < needed) throw refused(path, `is truncated: its header needs ${needed} bytes, got ${head.length}`);
  return Array.from({ length: axes }, (_, axis) => head.readUInt32BE(4 + 4 * axis));
}

/** The elements, in chunks of any size; `shape` is what readIdxHeader returned. Fails at the end where there are too few or too many. */
export async function* readIdxData(
  path: string,
  shape: readonly number[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const needed = shape.reduce((size, extent) => size * extent, 1);
  let skip = headerBytes(shape.length);
  let seen = 0;
  for await (const chunk of contentOf(path)) {
    const data = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - data.length;
    seen += data.length;
    if (seen > needed) throw refused(path, `goes on after the ${needed} bytes that ${shape.join(' x ')} elements need`);
    if (data.length > 0) yield data;
  }
  if (seen < needed)
    throw refused(path, `is truncated: ${shape.join(' x ')} elements need ${needed} bytes, got ${seen}`);
}

function headerBytes(axes: number): number {
  return 4 + 4 * axes;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Bytes of a file, decompressed where it starts as gzip does. Ending the iteration early closes everything. */
async function* contentOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const start = Buffer.alloc(2);
      await file.read(start, 0, 2, 0);
      const plain = file.createReadStream({ start: 0, highWaterMark: chunkBytes, autoClose: false });
      if (start.readUInt16BE() !== 0x1f8b) yield* plain as AsyncIterable<Buffer>;
      else {
        // The error, if any, comes out of the iteration.
        const unzipped = pipeline(plain, createGunzip({ chunkSize: chunkBytes }), () => {});
        yield* unzipped as AsyncIterable<Buffer>;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readError(error, path);
  }
}

function readError(error: unknown, path: string): unknown {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_'))
    return refused(path, `is a damaged gzip file: ${error.message}`, error);
  const code = systemCode(error);
  if (code === undefined) return error;
  return refused(path, code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`, error);
}

function refused(path: string, problem: string, cause?: unknown): UserError {
  return new UserError('data', `${path} ${problem}`, { key: path, cause });
}
