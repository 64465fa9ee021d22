import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLab } from '../testing/lab.ts';
import { connectControl, removeStaleSockets, serveControl } from './control.ts';

let home: string;
beforeAll(async () => (home = await mkdtemp(join(tmpdir(), 'sdp-control-'))));
afterAll(() => rm(home, { recursive: true }));

it('serves the app to this user alone, as long as it is open', async () => {
  const { app, close } = await openLab(home);
  const end = await serveControl(home, app);
  const folder = dirname(await readFile(join(home, 'control'), 'utf8'));
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  const client = await connectControl(home);
  expect((await client.call.snapshot({})).runs).toEqual([]);
  client.close();
  await end();
  expect(existsSync(folder)).toBe(false);
  await expect(connectControl(home)).rejects.toThrow(`no run is active in ${home}`);
  await close();
});

it('removes the socket of a process that was killed, and not one that is served', async () => {
  const { app, close } = await openLab(home);
  const left = await mkdtemp(join(tmpdir(), 'sdp-lab-control-'));
  const listen = `require('node:net').createServer().listen(${JSON.stringify(join(left, 'socket'))}, () => console.log('listening'))`;
  const killed = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(killed.stdout, 'data');
  const end = await serveControl(home, app);
  const folder = dirname(await readFile(join(home, 'control'), 'utf8'));
  await removeStaleSockets();
  expect(existsSync(left)).toBe(true);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  await removeStaleSockets();
  expect([existsSync(left), existsSync(folder)]).toEqual([false, true]);
  await end();
  await close();
});
