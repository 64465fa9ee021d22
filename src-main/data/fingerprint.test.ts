import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ImportOptions } from '../contract/verdict.ts';
import { getDataset } from './catalogue.ts';
import { contentFingerprint, knownFingerprint } from './fingerprint.ts';
import { importDataset } from './import.ts';

const fixtures = join(import.meta.dirname, '../../testdata/datasets');
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sdp-fingerprint-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

it.each<[string, string, ImportOptions]>([
  ['images', 'jpeg', { validation: 0.25 }],
  ['files', 'jpeg', { validation: 0.25, storage: 'encoded' }],
  ['text', 'text/lines.jsonl', { tokenizer: 'bytes' }],
])('of %s it is that of the import until any byte of any file changes', async (name, path, options) => {
  await importDataset({ home, name, paths: [join(fixtures, path)], options });
  const dataset = await getDataset(home, name);
  expect(await knownFingerprint(home, dataset)).toBe(dataset.fingerprint);
  for (const file of dataset.files) {
    const at = join(home, 'datasets', name, file.path);
    const bytes = await readFile(at);
    for (const index of [0, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[index]! ^= 1;
      await writeFile(at, changed);
      expect(await knownFingerprint(home, dataset)).toBeUndefined();
      expect(await contentFingerprint(home, dataset)).not.toBe(dataset.fingerprint);
    }
    await writeFile(at, bytes);
    expect(await contentFingerprint(home, dataset)).toBe(dataset.fingerprint);
    expect(await knownFingerprint(home, dataset)).toBe(dataset.fingerprint);
  }
});

it('removes what was left of a record by a process that was killed while it wrote', async () => {
  const folder = join(home, 'datasets', 'text');
  const dataset = await getDataset(home, 'text');
  await rm(join(folder, 'verified.json'));
  await writeFile(join(folder, 'verified.json.partial-0123456789ab'), '{');
  await contentFingerprint(home, dataset);
  expect((await readdir(folder)).filter((name) => name.startsWith('verified'))).toEqual(['verified.json']);
});
