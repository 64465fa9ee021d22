// "sdp devices add" and "remove", of a run that another process trains.

import { execFile, spawn } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { AppEvents } from '../contract/events.ts';
import { cliPath, cpuDevices, newHome, smallConfig } from '../testing/lab.ts';

let home: string;
beforeAll(async () => (home = await newHome()));
afterAll(() => rm(home, { recursive: true, force: true }));

const env = () => ({ ...process.env, SDP_HOME: home });

function sdp(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(process.execPath, [cliPath, ...args], { env: env() }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

it('devices join and leave the run that another command trains; where none does, that is said', async () => {
  const none = { code: 1, stdout: '', stderr: `sdp: no run is active in ${home}\n` };
  expect(await sdp('devices', 'add', 'cpu:1')).toEqual(none);
  const config = join(home, 'config.yaml');
  await writeFile(config, stringify(smallConfig({ devices: cpuDevices(1), training: { steps: 1_000_000 } })));
  const train = spawn(process.execPath, [cliPath, 'train', config, '--json'], {
    env: env(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: train.stdout })[Symbol.asyncIterator]();
  type Told = { event: string } & AppEvents['stepsAppended']['_output'] & AppEvents['deviceChanged']['_output'];
  const next = async (event: string): Promise<Told> => {
    for (;;) {
      const told = JSON.parse((await lines.next()).value as string) as Told;
      if (told.event === event) return told;
    }
  };
  const { runId } = await next('stepsAppended');
  const added = await sdp('devices', 'add', 'cpu:1', '--threads', '1');
  expect(added.stderr).toBe('');
  expect(added.stdout).toMatch(
    new RegExp(`^run ${runId} goes on from step \\d+:\nDEVICE +THREADS +WORKERS\ncpu:0 +1 +0, 1\ncpu:1 +1 +2, 3\n$`),
  );
  expect((await next('deviceChanged')).change).toMatchObject({ device: 'cpu:1', change: 'joined' });
  const removed = await sdp('devices', 'remove', 'cpu:0', '--json');
  expect(JSON.parse(removed.stdout)).toMatchObject({
    run: runId,
    devices: [{ device: 'cpu:1', workers: [0, 1, 2, 3] }],
  });
  expect(await sdp('devices', 'remove', 'cpu:0')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'sdp: cpu:0 is no device of this run, which has cpu:1\n',
  });
  expect(await sdp('devices', 'add', 'gpu')).toEqual({
    code: 2,
    stdout: '',
    stderr: 'sdp: device: id must look like cpu:0, got "gpu"\n',
  });
  const ended = new Promise((resolve) => train.once('exit', resolve));
  train.kill('SIGINT');
  for (;;) if ((await lines.next()).done) break;
  await ended;
  expect(await sdp('devices', 'remove', 'cpu:1')).toEqual(none);
  expect(await readdir(home)).not.toContain('control');
});
