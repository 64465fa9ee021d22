// The data folder chosen through the served app, on a machine whose platform folder is a temporary one: what the next start takes, and what
// a start says where the choice cannot be used.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { machineOf } from '../testing/defaultHome.ts';
import { cliPath } from '../testing/lab.ts';
import { withServedPage, type PageClient } from '../testing/servedPage.ts';

let machine: string;
let chosen: string;
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'sdp-machine-'));
  chosen = join(machine, 'disk/lab');
});
afterEach(() => rmSync(machine, { recursive: true }));

const environment = () => ({ ...process.env, ...machineOf(machine) });

const withPage = (use: (client: PageClient) => Promise<void>) => withServedPage(environment(), [], use);

function listRuns(more: Record<string, string> = {}): Promise<{ failed: boolean; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...environment(), ...more } };
    execFile(process.execPath, [cliPath, 'runs', '--json'], options, (error, stdout, stderr) =>
      resolve({ failed: error?.code === 1, stdout, stderr }),
    );
  });
}

test('a page chooses a folder for the next start; this one stays where it is', async () => {
  let usual = '';
  await withPage(async ({ call, on }) => {
    const { dataFolder } = await call.snapshot({});
    usual = dataFolder.inUse;
    expect(usual.startsWith(machine)).toBe(true);
    expect(dataFolder).toEqual({ inUse: usual, next: usual, chosen: false, fixed: false });
    const told: unknown[] = [];
    on('dataFolderChosen', (event) => told.push(event.dataFolder));
    expect(await call.chooseDataFolder({ folder: chosen })).toEqual({ offer: null });
    const next = { inUse: usual, next: chosen, chosen: true, fixed: false };
    expect([told, (await call.snapshot({})).dataFolder]).toEqual([[next], next]);
    await call.saveSettings({ theme: 'dark', notify: false, startFrom: null });
    expect(readdirSync(usual).sort()).toEqual(['data-folder.json', 'settings.json']);
    expect(readdirSync(chosen)).toEqual(['runs']);
  });
  await withPage(async ({ call }) => {
    const { dataFolder, settings } = await call.snapshot({});
    expect(dataFolder).toEqual({ inUse: chosen, next: chosen, chosen: true, fixed: false });
    expect(settings.theme).toBe('system');
    expect(await call.chooseDataFolder({ folder: null })).toEqual({ offer: null });
    expect((await call.snapshot({})).dataFolder).toEqual({ inUse: chosen, next: usual, chosen: false, fixed: false });
  });
});

test('what is no folder for it is refused, and of one with other things a folder in it is offered', async () => {
  const other = join(machine, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'letter.txt'), '');
  await withPage(async ({ call }) => {
    for (const folder of ['', 'a\0b', 'x'.repeat(4097)])
      await expect(call.chooseDataFolder({ folder })).rejects.toThrow(/^chooseDataFolder: folder: /);
    await expect(call.chooseDataFolder({ folder: 'lab' })).rejects.toThrow(/must be an absolute path, got lab$/);
    await expect(call.chooseDataFolder({ folder: join(other, 'letter.txt') })).rejects.toThrow(/is a file/);
    expect(await call.chooseDataFolder({ folder: other })).toEqual({ offer: join(other, 'sdp-lab') });
    expect((await call.snapshot({})).dataFolder.chosen).toBe(false);
  });
  expect(readdirSync(other)).toEqual(['letter.txt']);
});

test('a command does not start where the chosen folder is gone, unless SDP_HOME says another', async () => {
  await withPage(async ({ call }) => void (await call.chooseDataFolder({ folder: chosen })));
  rmSync(chosen, { recursive: true });
  const { failed, stdout, stderr } = await listRuns();
  expect([failed, stdout]).toEqual([true, '']);
  expect(stderr.startsWith(`sdp: the data folder ${chosen} is not there; make it available`)).toBe(true);
  expect(stderr.split('\n')).toHaveLength(2);
  expect(await listRuns({ SDP_HOME: machine })).toEqual({ failed: false, stdout: '{"runs":[]}\n', stderr: '' });
  expect(existsSync(chosen)).toBe(false);
});
