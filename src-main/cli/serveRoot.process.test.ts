// `sdp serve --root`: what a page may name, and what the start says of it.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { cliPath } from '../testing/lab.ts';
import { machineOf } from '../testing/defaultHome.ts';
import { keyOf, withServedPage, type PageClient } from '../testing/servedPage.ts';

let machine: string;
let root: string;
let outside: string;
const tokenizer = JSON.stringify({ version: '1.0', model: { type: 'BPE', vocab: {}, merges: [] } });

beforeAll(() => {
  machine = mkdtempSync(join(tmpdir(), 'sdp-root-'));
  [root, outside] = [join(machine, 'root'), join(machine, 'root-beside')];
  for (const folder of [root, outside]) {
    mkdirSync(join(folder, 'texts'), { recursive: true });
    writeFileSync(join(folder, 'texts/a.txt'), 'to be or not to be '.repeat(400));
    writeFileSync(join(folder, 'tokenizer.json'), tokenizer);
    writeFileSync(join(folder, 'units.yaml'), stringify({ units: [] }));
  }
  symlinkSync(join(outside, 'texts'), join(root, 'link'));
  symlinkSync(join(root, 'texts'), join(outside, 'back'));
  writeFileSync(join(outside, 'secret.png'), 'secret');
});
afterAll(() => rmSync(machine, { recursive: true }));

const environment = () => ({ ...process.env, ...machineOf(machine) });
const served = (flags: string[], use: Parameters<typeof withServedPage>[2]) =>
  withServedPage(environment(), flags, use);
const run = (plan: string) => ({
  model: { family: 'resnet', layers: [1], width: 4 },
  data: { dataset: 'mnist' },
  subnetworks: { workers: 2, coverage: 1, plan },
});

describe('with --root', () => {
  const refusal = (path: string) =>
    `${path} does not lie in ${root}, the folder that "sdp serve --root" keeps this page to; choose a path in it`;

  /** Every way in which a page can name a file. */
  const ways: [string, (call: PageClient['call'], path: string) => Promise<unknown>][] = [
    ['inspectDataset', (call, path) => call.inspectDataset({ paths: [join(root, 'texts'), path] })],
    ['startImport', (call, path) => call.startImport({ paths: [path], name: 'stolen' })],
    [
      'the tokenizer of inspectDataset',
      (call, path) => call.inspectDataset({ paths: [join(root, 'texts')], options: { tokenizer: path } }),
    ],
    [
      'the tokenizer of startImport',
      (call, path) => call.startImport({ paths: [join(root, 'texts')], options: { tokenizer: path } }),
    ],
    ['planRun', (call, path) => call.planRun({ config: run(path) })],
    ['startRun', (call, path) => call.startRun({ config: run(path) })],
    ['chooseDataFolder', (call, path) => call.chooseDataFolder({ folder: path })],
  ];

  test('nothing outside is opened, by whatever command and name', async () => {
    const names = [
      outside,
      join(outside, 'texts/a.txt'),
      join(outside, 'missing'),
      `${root}/../root-beside/texts`,
      join(root, 'link'),
      join(root, 'link/a.txt'),
      `${root}/link/../units.yaml`,
      `${outside}/back/../units.yaml`,
      machine,
      '/',
      '/etc/passwd',
      'README.md',
    ];
    await served(['--root', root], async ({ call }) => {
      for (const [, ask] of ways)
        for (const name of names)
          await expect(ask(call, name)).rejects.toMatchObject({ code: 'usage', message: refusal(name) });
      const { datasets, imports, runs, dataFolder } = await call.snapshot({});
      expect([datasets, imports, runs, dataFolder.chosen]).toEqual([[], [], [], false]);
    });
  });

  test('what lies inside is used as before, by any name that leads there', async () => {
    await served(['--root', join(outside, '../root')], async ({ call, on }) => {
      for (const path of [root, join(root, 'texts/a.txt'), join(outside, 'back'), `${root}/../root/texts`])
        expect((await call.inspectDataset({ paths: [path], options: { tokenizer: 'bytes' } })).importable).toBe(true);
      const missing = join(root, 'missing');
      const { problems } = await call.inspectDataset({ paths: [missing] });
      expect(problems[0]!.message).toBe(`${missing} does not exist`);
      const imported = new Promise((resolve) => on('datasetImported', resolve));
      await call.startImport({
        paths: [join(root, 'texts')],
        name: 'inside',
        options: { tokenizer: 'bpe', vocabulary: 300 },
      });
      expect(await imported).toMatchObject({ dataset: { name: 'inside' } });
      await expect(call.planRun({ config: run(join(root, 'missing.yaml')) })).rejects.toThrow('there is no such file');
      expect(await call.chooseDataFolder({ folder: join(root, 'data') })).toEqual({ offer: null });
      await call.chooseDataFolder({ folder: null });
    });
  });

  test('the data folder and what the page itself sends stay in use', async () => {
    await served(['--root', root], async ({ call }, url) => {
      const { inUse } = (await call.snapshot({})).dataFolder;
      const plan = join(inUse, 'runs/some-run/plan.json');
      await expect(call.planRun({ config: run(plan) })).rejects.toThrow('there is no such file');
      const answer = await fetch(new URL('/upload/0123456789abcdef/a.txt', url), {
        method: 'PUT',
        body: 'to be or not to be '.repeat(400),
        headers: { origin: url.origin, authorization: `Bearer ${keyOf(url)}` },
      });
      expect(answer.status).toBe(201);
      const path = join(await answer.text(), 'a.txt');
      expect((await call.inspectDataset({ paths: [path] })).importable).toBe(true);
    });
  });

  test('links and names in a folder lead nowhere else', async () => {
    const folder = join(root, 'tricks');
    mkdirSync(folder);
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(join(root, 'texts/a.txt'), join(folder, 'a.txt'));
    symlinkSync(join(outside, 'texts/a.txt'), join(folder, 'b.txt'));
    symlinkSync(join(outside, 'texts'), join(folder, 'texts'));
    await served(['--root', root], async ({ call }) => {
      const linked = await call.inspectDataset({ paths: [folder] });
      const left = linked.problems.filter(({ code }) => code === 'link-outside').flatMap(({ places }) => places);
      expect(left.map(({ file }) => file).sort()).toEqual([join(folder, 'b.txt'), join(folder, 'texts')]);
      expect(linked.content).toMatchObject({ kind: 'tokens', documents: 1 });
      writeFileSync(join(folder, 'list.csv'), 'image,label\n../../root-beside/secret.png,1\n');
      for (const path of [folder, join(folder, 'list.csv')]) {
        const { problems, importable } = await call.inspectDataset({ paths: [path], options: { as: 'image-table' } });
        expect([importable, problems.some(({ message }) => message.includes('lies outside'))]).toEqual([false, true]);
      }
    });
  });
});

test('without --root a page may name any file', async () => {
  await served([], async ({ call }) => {
    const { importable } = await call.inspectDataset({ paths: [join(outside, 'texts')] });
    expect(importable).toBe(true);
  });
});

describe('the start says', () => {
  const start = (flags: string[]) =>
    new Promise<{ code: number | null; text: string }>((resolve) => {
      const options = { env: environment() };
      const child = execFile(process.execPath, [cliPath, 'serve', ...flags], options, (_, out, error) =>
        resolve({ code: child.exitCode, text: out + error }),
      );
      child.stdout!.on('data', (part) => String(part).includes('Ctrl-C') && child.kill('SIGINT'));
    });

  test('that any file can be read, or which', async () => {
    expect((await start([])).text.split('\n')[1]).toBe(
      'Anyone with this address can read any file that you can read, by importing it; --root FOLDER limits the page to one folder.',
    );
    expect((await start(['--root', root])).text.split('\n')[1]).toBe(`The page may name files in ${root} only.`);
  });

  test.each(['missing', 'root/units.yaml'])('that --root %s is no folder', async (name) => {
    const path = join(machine, name);
    expect(await start(['--root', path])).toEqual({
      code: 2,
      text: `sdp: --root must be a folder, and ${path} is not a folder\n`,
    });
  });
});
