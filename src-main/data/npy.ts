// NumPy .npy arrays of an imported dataset: their header, and the type they must have. The addon writes them.
//
// Format (numpy.lib.format): "\x93NUMPY", version 1 0, u16 little-endian header size, a Python dict literal padded with spaces and
// a final newline so that the data starts at a multiple of 64. C order only.

import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';
import { readFully, systemCode } from '../files/files.ts';

export interface NpyHeader {
  type: string;
  shape: number[];
  /** Where the data starts, bytes. */
  dataStart: number;
}

const magic = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** Opens a .npy file of one of the given types, gives its handle and header to `read`, and closes it. Fails with a `data` error where it is damaged. */
export async function withNpy<T>(
  path: string,
  types: readonly string[],
  read: (file: FileHandle, header: NpyHeader) => Promise<T>,
): Promise<T> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw damaged(path, `cannot be read (${systemCode(error)})`, error);
  });
  try {
    const header = await readHeader(file, path);
    if (!types.includes(header.type)) throw damaged(path, `holds type ${header.type}, expected ${types.join(' or ')}`);
    return await read(file, header);
  } finally {
    await file.close();
  }
}

async function readHeader(file: FileHandle, path: string): Promise<NpyHeader> {
  const prefix = Buffer.alloc(magic.length + 2);
  const found = await readFully(file, prefix, 0);
  if (found < prefix.length || !prefix.subarray(0, magic.length).equals(magic))
    throw damaged(path, 'is not a version 1 .npy file');
  const text = Buffer.alloc(prefix.readUInt16LE(magic.length));
  await readFully(file, text, prefix.length);
  const match = /'descr': '([^']+)', 'fortran_order': False, 'shape': \(([\d, ]*)\)/.exec(text.toString('latin1'));
  if (!match) throw damaged(path, 'has a header that is not a C-ordered array');
  const shape = match[2]!
    .split(',')
    .filter((extent) => extent.trim() !== '')
    .map(Number);
  return { type: match[1]!, shape, dataStart: prefix.length + text.length };
}

function damaged(path: string, problem: string, cause?: unknown): UserError {
  return new UserError('data', `${path} ${problem}; import the dataset again`, { key: path, cause });
}
