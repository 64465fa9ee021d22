import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { noLoss, type RunSummary } from '../contract/run.ts';
import { machineOf } from '../testing/defaultHome.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { chooseDataFolder, dataFolderOf } from './dataFolder.ts';
import { choiceFile, defaultHome, sdpHome } from './home.ts';

let folder: string;
let usual: string;
let chosen: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sdp-folder-'));
  for (const [name, value] of Object.entries(machineOf(folder))) vi.stubEnv(name, value);
  usual = defaultHome();
  chosen = join(folder, 'disk/lab');
});

afterEach(() => rmSync(folder, { recursive: true }));

const choose = (path: string | null) => chooseDataFolder(usual, path);
const kept = () => existsSync(choiceFile());
const summary: RunSummary = {
  ...{ id: 'old', name: 'old', state: 'done', reason: '', step: 1, steps: 1, createdAt: '2026-11-21T00:00:00Z' },
  ...{ accuracy: null, perplexity: null, curve: noLoss, dataset: 'mnist', fingerprint: '', warning: '' },
};
/** What a start says of a chosen folder. */
const startError = (problem: string) => ({
  code: 'storage',
  message: `the data folder ${chosen} ${problem}; make it available (is its disk mounted?), or change or remove the choice, which is kept in ${choiceFile()}`,
});

test('a folder that is chosen is made and holds from the next start, until the default is chosen again', async () => {
  expect(await sdpHome()).toBe(usual);
  expect(await choose(`${chosen}/`)).toBeNull();
  expect(await dataFolderOf(usual)).toEqual({ inUse: usual, next: chosen, chosen: true, fixed: false });
  expect(await sdpHome()).toBe(chosen);
  expect(readdirSync(chosen)).toEqual(['runs']);
  expect(await chooseDataFolder(chosen, null)).toBeNull();
  expect(await dataFolderOf(chosen)).toEqual({ inUse: chosen, next: usual, chosen: false, fixed: false });
  expect(await sdpHome()).toBe(usual);
  expect(await choose(null)).toBeNull();
});

test('naming the default folder is choosing the default', async () => {
  await choose(chosen);
  expect(await chooseDataFolder(chosen, usual)).toBeNull();
  expect([kept(), await sdpHome()]).toEqual([false, usual]);
});

test('SDP_HOME comes before any choice, one that cannot be used included, and leaves none', async () => {
  await choose(chosen);
  rmSync(dirname(chosen), { recursive: true });
  vi.stubEnv('SDP_HOME', join(folder, 'own'));
  expect(await sdpHome()).toBe(join(folder, 'own'));
  expect(await dataFolderOf(join(folder, 'own'))).toMatchObject({ next: join(folder, 'own'), fixed: true });
  await expect(choose(null)).rejects.toMatchObject({
    code: 'conflict',
    message: 'SDP_HOME decides the data folder; unset it and start again to choose another',
  });
  expect(kept()).toBe(true);
});

test('a chosen folder that is gone at the start is told, and no other is taken', async () => {
  await choose(chosen);
  rmSync(dirname(chosen), { recursive: true });
  await expect(sdpHome()).rejects.toMatchObject(startError('is not there'));
  expect(existsSync(chosen)).toBe(false);
});

test('the empty mount point of a disk is not taken for the data folder', async () => {
  await choose(chosen);
  rmSync(join(chosen, 'runs'), { recursive: true });
  await expect(sdpHome()).rejects.toMatchObject(startError('has no runs folder in it any more'));
});

test('a file where the chosen folder was is told', async () => {
  await choose(chosen);
  rmSync(chosen, { recursive: true });
  writeFileSync(chosen, '');
  await expect(sdpHome()).rejects.toMatchObject(
    startError('cannot be read and written: a part of the path is a file, not a folder'),
  );
});

test('a disk that has become read-only is told at the start, and not chosen', async (context) => {
  const mounted = await withSmallDisk('size=1m', async (disk) => {
    chosen = join(disk, 'lab');
    await choose(chosen);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    await expect(sdpHome()).rejects.toMatchObject(
      startError(
        'cannot be read and written: its file system is read-only; mount it for writing, or choose another folder',
      ),
    );
    await choose(null);
    for (const path of [chosen, join(disk, 'other')])
      await expect(choose(path)).rejects.toMatchObject({
        code: 'storage',
        message: `${path} cannot be written: its file system is read-only; mount it for writing, or choose another folder`,
      });
    expect(kept()).toBe(false);
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});

test.each(['not JSON', '{"folder": "relative"}', '{"folder": 1}', '{}', '[]'])(
  'a choice that says %j is told with its file',
  async (text) => {
    await choose(chosen);
    writeFileSync(choiceFile(), text);
    await expect(sdpHome()).rejects.toMatchObject({
      code: 'storage',
      message: `${choiceFile()} should name the data folder as {"folder": "/an/absolute/path"} and cannot be read; remove it to have the data folder at ${usual}, or mend it`,
    });
  },
);

test.each([['relative/path'], ['~/lab'], ['.']])('%s is not absolute and not chosen', async (path) => {
  await expect(choose(path)).rejects.toMatchObject({
    code: 'usage',
    message: `the data folder must be an absolute path, got ${path}`,
  });
  expect(kept()).toBe(false);
});

test('a folder inside of the one in use is not chosen, through a link neither', async () => {
  mkdirSync(join(usual, 'runs'), { recursive: true });
  symlinkSync(usual, join(folder, 'link'), 'junction');
  for (const path of [join(usual, 'runs/deep'), join(usual, 'datasets'), join(folder, 'link/runs')])
    await expect(choose(path)).rejects.toMatchObject({
      message: `${path} is inside the data folder in use, ${usual}; choose a folder outside it`,
    });
  expect(readdirSync(join(usual, 'runs'))).toEqual([]);
  expect(kept()).toBe(false);
});

test('a path through a file is not chosen', async () => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of [join(folder, 'file'), join(folder, 'file/lab')])
    await expect(choose(path)).rejects.toMatchObject({
      message: `${path} cannot be written: a part of the path is a file, not a folder`,
    });
  expect(kept()).toBe(false);
});

test('of a folder with other things a folder in it is offered; what a disk has in its root is nothing', async () => {
  mkdirSync(join(chosen, 'lost+found'), { recursive: true });
  writeFileSync(join(chosen, 'letter.txt'), '');
  expect(await choose(chosen)).toBe(join(chosen, 'sdp-lab'));
  expect([kept(), readdirSync(chosen)]).toEqual([false, ['letter.txt', 'lost+found']]);
  rmSync(join(chosen, 'letter.txt'));
  expect(await choose(chosen)).toBeNull();
  expect(kept()).toBe(true);
});

test('a data folder of before is chosen, with things beside its runs too', async () => {
  mkdirSync(join(chosen, 'runs/old'), { recursive: true });
  writeFileSync(join(chosen, 'notes.txt'), '');
  expect(await choose(chosen)).toBe(join(chosen, 'sdp-lab'));
  writeFileSync(join(chosen, 'runs/old/state.json'), JSON.stringify({ summary }));
  expect(await choose(chosen)).toBeNull();
  expect(JSON.parse(readFileSync(choiceFile(), 'utf8'))).toEqual({ folder: chosen });
});
