// Importer of tokens: a folder with train and val (validation, test) files, or one file whose last part becomes the validation split.

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { Importer, TokenSource } from './importer.ts';
import { openTokens, tokenTypes, type TokenRange } from './tokens.ts';

const tokenFile = /\.(npy|bin)$/;
const splitNames = { train: /^train\.(npy|bin)$/, test: /^(val|valid|validation|test)\.(npy|bin)$/ };

/** Share of a single file that becomes the validation split. */
const defaultValidation = 0.1;

export const tokenImporter: Importer = {
  kind: 'tokens',
  title: 'tokens as .npy or .bin files of uint16 or uint32 (one file, or a folder with train and val)',
  async detect(path) {
    if (!(await stat(path)).isDirectory()) return tokenFile.test(basename(path));
    return (await readdir(path)).some((name) => splitNames.train.test(name));
  },
  async open(path, { dtype = 'uint16', validation = defaultValidation }) {
    const type = tokenTypes[dtype];
    const ranges = (await stat(path)).isDirectory()
      ? await openFolder(path, (file) => openTokens(file, type))
      : cut(await openTokens(path, type), validation);
    const short = [ranges.train, ranges.test].find(({ count }) => count < 2);
    if (short)
      throw new UserError('data', `${short.path} leaves a split of ${short.count} tokens; 2 are needed at least`, {
        key: short.path,
      });
    if (ranges.train.type !== ranges.test.type)
      throw new UserError(
        'data',
        `${ranges.train.path} and ${ranges.test.path} have different types; use one for both`,
      );
    return { kind: 'tokens', path, ...ranges } satisfies TokenSource;
  },
};

type Splits = Pick<TokenSource, 'train' | 'test'>;

async function openFolder(folder: string, open: (file: string) => Promise<TokenRange>): Promise<Splits> {
  const names = await readdir(folder);
  const find = (split: keyof typeof splitNames) => {
    const found = names.filter((name) => splitNames[split].test(name)).sort();
    if (found.length === 1) return join(folder, found[0]!);
    const problem = found.length === 0 ? 'has no' : `has several (${found.join(', ')}) for the one`;
    const expected = split === 'train' ? 'train.npy or train.bin' : 'val.npy or val.bin';
    throw new UserError('data', `${folder} ${problem} ${expected}, which a dataset of tokens needs`, { key: folder });
  };
  return { train: await open(find('train')), test: await open(find('test')) };
}

/** The last `share` of the tokens, to whole tokens, becomes the validation split. */
function cut(all: TokenRange, share: number): Splits {
  const test = Math.round(all.count * share);
  const train = all.count - test;
  return { train: { ...all, count: train }, test: { ...all, start: train, count: test } };
}
