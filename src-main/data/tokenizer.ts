// The tokenizer that a dataset of text was imported with, and the text of tokens.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { native, type NativeTokenizer } from '../native.ts';
import { systemCode } from '../files/files.ts';
import { datasetsFolder, type Manifest } from './manifest.ts';

export type Tokenizer = NativeTokenizer;

/** The text that tokens add to those before them. By themselves they would read otherwise: tokenizers drop the space before a first word. */
export function continuation(tokenizer: Tokenizer, before: number[], tokens: number[]): string {
  const start = tokenizer.decode(before);
  const all = tokenizer.decode([...before, ...tokens]);
  return all.startsWith(start) ? all.slice(start.length) : tokenizer.decode(tokens);
}

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
