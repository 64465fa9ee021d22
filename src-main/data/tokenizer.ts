// The tokenizer that a dataset of text was imported with.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { native, type NativeTokenizer } from '../native.ts';
import { systemCode } from './files.ts';
import { datasetsFolder, type Manifest } from './manifest.ts';

export type Tokenizer = NativeTokenizer;

/** Undefined where the files were tokens already: what they stand for is not known. */
export async function openTokenizer(home: string, dataset: Manifest): Promise<Tokenizer | undefined> {
  if (dataset.kind !== 'tokens' || dataset.tokenizer === 'tokens') return undefined;
  if (dataset.tokenizer === 'bytes') return await native().openTokenizer();
  const path = join(datasetsFolder(home), dataset.name, 'tokenizer.json');
  const json = await readFile(path, 'utf8').catch((error: unknown) => {
    const sentence = `${path} cannot be read (${systemCode(error)}); import the dataset again`;
    throw new UserError('data', sentence, { key: dataset.name, cause: error });
  });
  return await native().openTokenizer(json);
}
