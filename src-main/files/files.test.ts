import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { replaceFiles } from './files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (names: string[], text: string) => async (beside: string) => {
  for (const name of names) await writeFile(join(beside, name), text);
};

it('files of a folder are replaced together, and others stay', async () => {
  await replaceFiles(folder, write(['a', 'b'], 'old'));
  await replaceFiles(folder, write(['b', 'c'], 'new'));
  const texts = await Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name), 'utf8')));
  expect(texts).toEqual(['old', 'new', 'new']);
});

it('where one cannot be replaced, or writing fails, all are as before', async () => {
  await replaceFiles(folder, write(['a', 'b'], 'old'));
  await mkdir(join(folder, 'c', 'd'), { recursive: true });
  await expect(replaceFiles(folder, write(['a', 'aa', 'c'], 'new'))).rejects.toMatchObject({ code: 'storage' });
  const fail = () => Promise.reject(new Error('no'));
  await expect(replaceFiles(folder, fail)).rejects.toThrow('no');
  expect((await readdir(folder)).sort()).toEqual(['a', 'b', 'c']);
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('old');
});
