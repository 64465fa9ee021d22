// NumPy .npy arrays, version 1: header for streamed writing, and reading of the header alone.
//
// Format (numpy.lib.format): "\x93NUMPY", version 1 0, u16 little-endian header size, a Python dict literal padded with spaces and
// a final newline so that the data starts at a multiple of 64. C order only. (npm libraries hold the whole array in memory.)

import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';
import { readFully, systemCode } from './files.ts';

/** uint8, or little-endian int64, uint16, uint32. */
export type NpyType = '|u1' | '<i8' | '<u2' | '<u4';

export interface NpyHeader {
  type: string;
  shape: number[];
  /** Where the data starts, bytes. */
  dataStart: number;
}

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

export function npyHeader(type: NpyType, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': '${type}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const total = Math.ceil((magic.length + 2 + dict.length + 1) / 64) * 64;
  const header = Buffer.alloc(total, ' ');
  magic.copy(header);
  header.writeUInt16LE(total - magic.length - 2, magic.length);
  header.write(dict, magic.length + 2, 'latin1');
  header.write('\n', total - 1, 'latin1');
  return header;
}

/** Opens a .npy file of one of the given types, gives its handle and header to `read`, and closes it. Fails with a `data` error where it is damaged. */
export async function withNpy<T>(
  path: string,
  types: readonly NpyType[],
  read: (file: FileHandle, header: NpyHeader) => Promise<T>,
): Promise<T> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw damaged(path, `cannot be read (${systemCode(error)})`, error);
  });
  try {
    const header = await readNpyHeader(file, (problem) => damaged(path, problem));
    if (!types.some((type) => type === header.type))
      throw damaged(path, `holds type ${header.type}, expected ${types.join(' or ')}`);
    return await read(file, header);
  } finally {
    await file.close();
  }
}

/** Header of an open file; `refuse` makes the error of one that has none. */
export async function readNpyHeader(file: FileHandle, refuse: (problem: string) => Error): Promise<NpyHeader> {
  const prefix = Buffer.alloc(magic.length + 2);
  const found = await readFully(file, prefix, 0);
  if (found < prefix.length || !prefix.subarray(0, magic.length).equals(magic))
    throw refuse('is not a version 1 .npy file');
  const text = Buffer.alloc(prefix.readUInt16LE(magic.length));
  await readFully(file, text, prefix.length);
  const match = /'descr': '([^']+)', 'fortran_order': False, 'shape': \(([\d, ]*)\)/.exec(text.toString('latin1'));
  if (!match) throw refuse('has a header that is not a C-ordered array');
  const shape = match[2]!
    .split(',')
    .filter((extent) => extent.trim() !== '')
    .map(Number);
  return { type: match[1]!, shape, dataStart: prefix.length + text.length };
}

function damaged(path: string, problem: string, cause?: unknown): UserError {
  return new UserError('data', `${path} ${problem}; import the dataset again`, { key: path, cause });
}
