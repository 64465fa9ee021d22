// The first sequences of an imported split of tokens; for export checks, not for training (the addon loads that).

import { join } from 'node:path';
import { openTokens, readTokens, tokenValues } from './tokens.ts';

/** Sequences [0, count) of a split folder, [count, length]. */
export async function readSequences(splitFolder: string, length: number, count: number): Promise<BigInt64Array> {
  const range = await openTokens(join(splitFolder, 'tokens.npy'), '<u2');
  const sequences = new BigInt64Array(count * length);
  let filled = 0;
  for await (const chunk of readTokens({ ...range, count: sequences.length })) {
    for (const token of tokenValues(chunk, range.type)) sequences[filled++] = BigInt(token);
  }
  return sequences;
}
