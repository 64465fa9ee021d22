// Writes one split of a dataset of tokens while it streams by, and notes its largest token.

import { join } from 'node:path';
import { writeArray, type WriteContext } from './splitWriter.ts';
import { readTokens, tokenValues, type TokenRange } from './tokens.ts';

/** A token with its place in the file that it came from. */
export interface TokenPlace {
  token: number;
  file: string;
  position: number;
}

/** Writes tokens.npy; returns the first of the largest tokens. */
export async function writeTokens(folder: string, range: TokenRange, context: WriteContext): Promise<TokenPlace> {
  const largest: TokenPlace = { token: -1, file: range.path, position: range.start };
  const chunks = async function* () {
    let seen = 0;
    for await (const chunk of readTokens(range)) {
      const tokens = tokenValues(chunk, range.type);
      for (let index = 0; index < tokens.length; index += 1) {
        if (tokens[index]! <= largest.token) continue;
        largest.token = tokens[index]!;
        largest.position = range.start + seen + index;
      }
      seen += tokens.length;
      yield chunk;
      context.onSamples(seen);
    }
  };
  await writeArray(join(folder, 'tokens.npy'), range.type, [range.count], chunks(), context);
  return largest;
}
