// Nothing leaves the machine: no process that loads ONNX Runtime writes outside of the data folder, or looks up a name. Where strace is there,
// every process of a command is followed; else the files that it leaves are looked at.

import { execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { connect } from '../transport/client.ts';
import { playgroundContract } from '../contract/playgroundMessages.ts';
import { deviceEnvironment } from '../processes/childProcess.ts';
import { builtWorker, cliPath, newHome, smallConfig } from '../testing/lab.ts';
import { native } from '../native.ts';

const kitPath = join(import.meta.dirname, '../../out/main/gpu.js');

/** The runtime asks for its vendor's host some ten seconds after it was loaded. */
const listenMs = 14_000;

const traced = canTrace();
let home: string;
let config: string;
let runId: string;
beforeAll(async () => {
  home = await newHome();
  config = join(home, 'config.yaml');
  await writeFile(config, stringify(smallConfig({ training: { steps: 2 } })));
  const { stdout } = await followed('sdp', ['train', config, '--json']);
  runId = (JSON.parse(stdout.split('\n')[0]!) as { summary: { id: string } }).summary.id;
}, 120_000);
afterAll(() => rm(home, { recursive: true, force: true }));

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface Followed {
  stdout: string;
  /** Files left under the folders of the user and for temporary files, and calls that reach for a network. */
  outside: string[];
}

/** A command with an empty folder of the user and an empty one for temporary files; `stopAfterMs`: ended in order then. */
async function followed(program: 'sdp' | 'kit', args: string[], stopAfterMs?: number): Promise<Followed> {
  const user = await mkdtemp(join(tmpdir(), 'sdp-user-'));
  const [trace, temporary] = [join(user, 'trace'), join(user, 'tmp')];
  await mkdir(temporary);
  const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...env } = process.env;
  const command = [process.execPath, program === 'sdp' ? cliPath : kitPath, ...args];
  const strace = ['strace', '-f', '-qq', '-o', trace, '-e', 'trace=connect,sendto,sendmmsg'];
  const [file, ...rest] = traced ? [...strace, ...command] : command;
  const child = spawn(file!, rest, {
    env: { ...env, HOME: user, TMPDIR: temporary, SDP_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  if (stopAfterMs !== undefined) setTimeout(() => process.kill(-child.pid!, 'SIGINT'), stopAfterMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
  const calls = traced ? (await readFile(trace, 'utf8')).split('\n').filter((call) => /AF_INET|nscd/.test(call)) : [];
  await rm(trace, { force: true });
  const left = (await readdir(user, { recursive: true })).filter((name) => name !== 'tmp');
  await rm(user, { recursive: true });
  return { stdout, outside: [...left, ...calls] };
}

test('a run, whose devices live long enough to be heard of', async () => {
  const args = ['train', config, '--set', 'training.steps=1000000', '--set', 'devices=[cpu:0, cpu:1]', '--json'];
  expect((await followed('sdp', args, listenMs)).outside).toEqual([]);
}, 120_000);

test('an export with its check, for both formats', async () => {
  for (const format of ['onnx', 'safetensors']) {
    const args = ['export', runId, '--format', format, '--out', join(home, format)];
    expect((await followed('sdp', args)).outside).toEqual([]);
  }
}, 120_000);

test('the search for devices', async () => {
  expect((await followed('sdp', ['devices'])).outside).toEqual([]);
}, 60_000);

test('the kit', async () => {
  const args = ['run', '--quick', '--device', 'cpu:0', '--only', 'case', '--out', join(home, 'kit')];
  expect((await followed('kit', args)).outside).toEqual([]);
}, 120_000);

test('a playground of a model', async () => {
  const user = await mkdtemp(join(tmpdir(), 'sdp-user-'));
  const before = { HOME: process.env.HOME, TMPDIR: process.env.TMPDIR };
  const spawnPlayground = builtWorker();
  Object.assign(process.env, { HOME: user, TMPDIR: user });
  const playground = spawnPlayground('playground');
  Object.assign(process.env, before);
  const client = await connect(playground.transport, playgroundContract);
  await client.call.load({ path: join(home, 'onnx/model.onnx') });
  client.close();
  await playground.exited;
  expect(await readdir(user, { recursive: true })).toEqual([]);
  await rm(user, { recursive: true });
}, 60_000);

test('whoever starts a device process, or loads the addon, has said so before', () => {
  expect(deviceEnvironment({ ORT_DISABLE_TELEMETRY: '0' })).toMatchObject({ ORT_DISABLE_TELEMETRY: '1' });
  native();
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe('1');
});
