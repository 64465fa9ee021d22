import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { noLoss, type RunSummary } from '../contract/run.ts';
import { smallConfig } from '../testing/lab.ts';
import { RunFolder } from './runFolder.ts';
import { RunRecord } from './runRecord.ts';

const summary: RunSummary = {
  ...{ id: 'one', name: 'one', state: 'done', reason: '', step: 0, steps: 9, createdAt: '2026-11-28T00:00:00Z' },
  ...{ accuracy: null, perplexity: null, curve: noLoss, dataset: 'digits', fingerprint: '', warning: '' },
};
let home: string;
let folder: RunFolder;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'sdp-record-'));
  folder = new RunFolder(home, 'one');
  await mkdir(folder.path, { recursive: true });
  await writeFile(folder.file('config.yaml'), stringify(smallConfig({})));
  await writeFile(folder.file('state.json'), JSON.stringify({ summary }));
});
afterEach(() => rm(home, { recursive: true }));

test('what is stored last is what was set last, whatever is written at the same time', async () => {
  const record = await RunRecord.open(folder);
  const writes: Promise<void>[] = [];
  for (let step = 1; step <= 50; step += 1) {
    record.set({ step });
    writes.push(record.store(), ...(step % 10 === 0 ? [record.rename(`name ${step}`)] : []));
  }
  record.set({ state: 'stopped' });
  writes.push(record.store());
  await Promise.all(writes);
  await record.close();
  const stored = JSON.parse(await readFile(folder.file('state.json'), 'utf8')) as { summary: RunSummary };
  expect(stored.summary).toEqual(record.summary);
  expect(record.summary).toMatchObject({ step: 50, name: 'name 50', state: 'stopped' });
  expect((await folder.readConfig()).name).toBe('name 50');
});

test('a run has one writer at a time; closing lets go when all is written', async () => {
  const record = await RunRecord.open(folder);
  const refused = { code: 'conflict', message: 'run one is active in another process' };
  await expect(RunRecord.open(folder)).rejects.toMatchObject(refused);
  await expect(RunRecord.delete(folder, () => Promise.resolve())).rejects.toMatchObject(refused);
  record.set({ step: 7 });
  void record.store();
  await record.close();
  const next = await RunRecord.open(folder);
  expect(next.summary.step).toBe(7);
  await next.close();
});

test('who takes a run that its app has left finds it interrupted', async () => {
  await writeFile(folder.file('state.json'), JSON.stringify({ summary: { ...summary, state: 'training' } }));
  const record = await RunRecord.open(folder);
  await record.rename('renamed');
  await record.close();
  expect(record.summary).toMatchObject({ name: 'renamed', state: 'interrupted' });
  expect(await folder.readState()).toEqual(record.summary);
});

test('a failed write ends nothing: the next one is done', async () => {
  const record = await RunRecord.open(folder);
  await mkdir(folder.file('plan.json'));
  const failed = expect(record.writePlan(null!)).rejects.toMatchObject({ code: 'storage' });
  record.set({ step: 3 });
  await Promise.all([failed, record.store()]);
  await record.close();
  expect((await folder.readState()).step).toBe(3);
});

test('a damaged run cannot be taken, and can be deleted', async () => {
  await writeFile(folder.file('state.json'), '{');
  await expect(RunRecord.open(folder)).rejects.toMatchObject({ code: 'checkpoint' });
  await RunRecord.delete(folder, () => Promise.resolve());
  expect(await readdir(join(home, 'runs'))).toEqual([]);
  await expect(RunRecord.open(folder)).rejects.toThrow('there is no run "one"');
});
