// The log as it is written by the addon: stacks of unexpected exceptions are in it, and messages say so.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appContract } from '../contract/contracts.ts';
import { createApp } from '../lab/app.ts';
import { startServer } from '../serve/server.ts';
import { connect } from '../transport/client.ts';
import { socketProtocol } from '../transport/page.ts';
import { webSocketClient, type BrowserSocket } from '../transport/webSocketClient.ts';
import { log, logFile, openLog, reportBug } from './log.ts';

let home: string;
let file: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sdp-log-'));
  file = logFile(home);
  openLog(file);
});
afterEach(() => rmSync(home, { recursive: true }));

/** What a page is told of an unexpected exception, asked at the address of the real server; and that address. */
async function askedAtServer(): Promise<{ told: unknown; url: URL }> {
  const rendererDir = join(home, 'renderer');
  mkdirSync(rendererDir);
  writeFileSync(join(rendererDir, 'index.html'), '');
  const app = await createApp({ home, spawnDevice: () => expect.unreachable() });
  const handlers = {
    ...app.handlers,
    sampleDevices: () => {
      throw new Error(`impossible shape [0] in ${homedir()}/model at ${server.url}`);
    },
  };
  const server = await startServer({ app: { ...app, handlers }, home, port: 0, rendererDir });
  try {
    const url = new URL(server.url);
    const socket = new WebSocket(`ws://${url.host}/socket`, [socketProtocol, `key.${url.hash.slice('#key='.length)}`], {
      origin: url.origin,
    });
    const client = await connect(webSocketClient(socket as unknown as BrowserSocket), appContract);
    const told = await client.call.sampleDevices({}).catch((error: unknown) => error);
    client.close();
    return { told, url };
  } finally {
    await server.close();
    await app.close();
  }
}

test('a page is told of a bug with the name of the log, which has the stack, and neither the key nor the user', async () => {
  const { told, url } = await askedAtServer();
  const named = expect.stringMatching(new RegExp(`^impossible shape \\[0\\] in .* \\(see ${file}\\)$`)) as string;
  expect(told).toMatchObject({ code: 'internal', message: named });
  const text = readFileSync(file, 'utf8');
  expect(text).toMatch(/ ERROR process \d+: Error: impossible shape \[0\] in ~\/model at http:\S+\/#key=\.\.\.\n/);
  expect(text).toContain('at sampleDevices');
  expect(text).not.toContain(url.hash.slice('#key='.length));
  expect(text).not.toContain(homedir());
});

test('where the log cannot be written, the app works, and the stack of a bug is on standard error', async () => {
  writeFileSync(join(home, 'logs'), 'in the way');
  const printed = vi.spyOn(console, 'error').mockReturnValue();
  const { told } = await askedAtServer();
  expect(told).toMatchObject({
    code: 'internal',
    message: expect.stringMatching(/^impossible shape .*key=\S+$/) as string,
  });
  expect(printed).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('at sampleDevices'));
  expect(log('warn', 'nothing')).toBe(false);
  rmSync(home, { recursive: true });
  expect([log('warn', 'nothing'), existsSync(home)]).toEqual([false, false]);
  mkdirSync(home);
  expect([log('warn', 'at last'), readFileSync(file, 'utf8')]).toEqual([true, expect.stringMatching(/at last\n$/)]);
});

test('an entry is one entry, whatever is in it', () => {
  const message = reportBug(new Error('no room\n2026-11-28T00:00:00Z  INFO process 1: all is well\u001b[2J'));
  expect(message).toContain(`(see ${file})`);
  const entries = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^\d{4}-/.test(line));
  expect(entries.map((entry) => entry.split(' ').find((word) => /INFO|ERROR/.test(word)))).toEqual(['INFO', 'ERROR']);
});
