// The data folder chosen through the served app, on a machine whose platform folder is a temporary one: what the next start takes, and what
// a start says where the choice cannot be used.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { appContract } from '../contract/contracts.ts';
import { machineOf } from '../testing/defaultHome.ts';
import { cliPath } from '../testing/lab.ts';
import { connect } from '../transport/client.ts';
import { socketPath, socketProtocol, keyProtocolPrefix } from '../transport/page.ts';
import { webSocketTransport } from '../transport/webSocket.ts';

let machine: string;
let chosen: string;
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'sdp-machine-'));
  chosen = join(machine, 'disk/lab');
});
afterEach(() => rmSync(machine, { recursive: true }));

const environment = () => ({ ...process.env, ...machineOf(machine) });

/** `sdp serve` and a page of it, until `use` returns. */
async function withPage(use: (client: Awaited<ReturnType<typeof openPage>>) => Promise<void>): Promise<void> {
  const server = spawn(process.execPath, [cliPath, 'serve', '--json'], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  try {
    const [line] = (await once(createInterface(server.stdout), 'line')) as [string];
    const client = await openPage(new URL((JSON.parse(line) as { url: string }).url));
    await use(client);
    client.close();
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
}

async function openPage({ host, hash, origin }: URL) {
  const protocols = [socketProtocol, keyProtocolPrefix + hash.slice('#key='.length)];
  const socket = new WebSocket(`ws://${host}${socketPath}`, protocols, { origin });
  await once(socket, 'open');
  return await connect(webSocketTransport(socket), appContract);
}

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
