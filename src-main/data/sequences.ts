// The first sequences of an imported split of tokens; for export checks, not for training (the addon loads that).

import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { readFully } from '../files/files.ts';
import { withNpy } from './npy.ts';

/** Sequences [0, count) of a split folder, [count, length]. */
export async function readSequences(splitFolder: string, length: number, count: number): Promise<BigInt64Array> {
  const path = join(splitFolder, 'tokens.npy');
  return await withNpy(path, ['<u2', '<u4'], async (file, { type, dataStart }) => {
    const tokens = type === '<u2' ? new Uint16Array(count * length) : new Uint32Array(count * length);
    const found = await readFully(file, new Uint8Array(tokens.buffer), dataStart);
    if (found < tokens.byteLength)
      throw new UserError('data', `${path} is truncated; import the dataset again`, { key: path });
    return BigInt64Array.from(tokens, BigInt);
  });
}
