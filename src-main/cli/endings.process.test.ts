// How the built command ends: when it is done, and by the signals of a terminal, a service manager and a scheduler.

import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, watch } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { cliPath, cpuDevices, newHome, smallConfig } from '../testing/lab.ts';

let home: string;
let config: string;
beforeAll(async () => {
  home = await newHome();
  config = join(home, 'config.yaml');
  await writeFile(config, stringify(smallConfig({ devices: cpuDevices(2) })));
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Line {
  event: string;
  summary?: { id: string; state: string; reason: string; step: number };
  columns?: { step: number[] };
}

/** A command in a process group of its own, as a terminal or a service manager starts it. */
function start(args: string[]): { child: ChildProcess; ended: Promise<number | string | null> } {
  const child = spawn(process.execPath, [cliPath, ...args], {
    env: { ...process.env, SDP_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal)),
  );
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // All of its group have ended.
    }
  });
  return { child, ended };
}

/** Processes that a process has started, by what the system lists. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/** Those that have begun to run the worker: until then, starting them holds the process. */
function workersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker.js'));
}

/** Nothing of a command is left: no process in its group, and no store. */
function processesOf(group: number) {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(statOf);
  return stats.filter((one) => one.group === group && one.state !== 'Z');
}

function expectNothingLeft(pid: number): void {
  expect(processesOf(pid)).toEqual([]);
  expect(readdirSync('/dev/shm').filter((name) => name.startsWith(`sdp-lab-${pid}-`))).toEqual([]);
}

function statOf(pid: string) {
  try {
    const [, state, group] = /\) (\w) \d+ (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))!;
    return { state, group: Number(group) };
  } catch {
    return { state: 'Z' };
  }
}

describe('a command ends when it is done', () => {
  /** Something that its process would wait for without an end. */
  const waits = ['--import', 'data:text/javascript,setInterval(() => undefined, 1e9)'];
  it.each([['runs'], ['datasets'], ['plan', 'CONFIG'], ['train', 'CONFIG', '--json']])('%s', async (...args) => {
    const child = spawn(process.execPath, [...waits, cliPath, ...args.map((arg) => arg.replace('CONFIG', config))], {
      env: { ...process.env, SDP_HOME: home },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (part) => (output += String(part)));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(output.endsWith('\n')).toBe(true);
  });
});

describe.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s to the process group', (signal) => {
  it.each(['preparing', 'training', 'evaluating', 'saving'])('ends a run with a checkpoint while %s', async (phase) => {
    const often = ['training.steps=100000', 'evaluation.every=5', 'checkpoint.every=5'];
    const { child, ended } = start(['train', config, '--json', ...often.flatMap((set) => ['--set', set])]);
    let last: Line['summary'];
    let sent = false;
    for await (const text of createInterface(child.stdout!)) {
      last = (JSON.parse(text) as Line).summary ?? last;
      if (sent || last?.state !== phase) continue;
      process.kill(-child.pid!, signal);
      sent = true;
    }
    expect([await ended, last!.state, last!.reason]).toEqual([0, 'stopped', 'stopped on request']);
    const checkpoints = await readdir(join(home, 'runs', last!.id, 'checkpoints'));
    expect(checkpoints.sort().at(-1)).toBe(`step-${String(last!.step).padStart(8, '0')}`);
    expectNothingLeft(child.pid!);
  });
});

it.each(['SIGTERM', 'SIGHUP'] as const)(
  '%s to the process group ends a run while its devices start',
  async (signal) => {
    const { child, ended } = start(['train', config, '--json', '--set', 'training.steps=100000']);
    const lines: Line[] = [];
    createInterface(child.stdout!).on('line', (text) => lines.push(JSON.parse(text) as Line));
    await expect.poll(() => childrenOf(child.pid!).length, { timeout: 20_000, interval: 1 }).toBe(2);
    process.kill(-child.pid!, signal);
    expect(await ended).toBe(0);
    const last = lines.at(-1)!.summary!;
    expect([last.state, last.reason]).toEqual(['stopped', 'stopped on request']);
    expect(await readdir(join(home, 'runs', last.id, 'checkpoints'))).toEqual(['step-00000000']);
    expectNothingLeft(child.pid!);
  },
);

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s while a run is made leaves a whole run or none',
  async (signal) => {
    for (let times = 0; times < 4; times++) {
      const runs = join(home, 'runs');
      await mkdir(runs, { recursive: true });
      const { child, ended } = start(['train', config, '--json', '--set', 'training.steps=100000']);
      const watcher = watch(runs, (_, name) => {
        if (name?.startsWith('.new-')) child.kill(signal);
      });
      onTestFinished(() => watcher.close());
      await ended;
      watcher.close();
      const left = (await readdir(runs)).filter((name) => name.startsWith('.'));
      expect(left).toEqual([]);
      expectNothingLeft(child.pid!);
    }
  },
);

it('a signal while an export writes its files leaves none of them', async () => {
  const trained = start(['train', config, '--json']);
  let id = '';
  for await (const text of createInterface(trained.child.stdout!)) id = (JSON.parse(text) as Line).summary?.id ?? id;
  const out = join(home, 'exported');
  await mkdir(out);
  const { child, ended } = start(['export', id, '--format', 'safetensors', '--out', out]);
  const watcher = watch(out, () => child.kill('SIGTERM'));
  onTestFinished(() => watcher.close());
  expect(await ended).toBe(143);
  expect(await readdir(out)).toEqual([]);
});

it('a signal to the process group while it evaluates a checkpoint leaves nothing', async () => {
  const trained = start(['train', config, '--json']);
  let id = '';
  for await (const text of createInterface(trained.child.stdout!)) id = (JSON.parse(text) as Line).summary?.id ?? id;
  expect(await trained.ended).toBe(0);
  const { child, ended } = start(['evaluate', id]);
  await expect.poll(() => childrenOf(child.pid!).length, { timeout: 20_000 }).toBe(2);
  process.kill(-child.pid!, 'SIGTERM');
  expect(await ended).toBe(143);
  await expect.poll(() => expectNothingLeft(child.pid!)).toBeUndefined();
});

describe('with a device that stands still', () => {
  it('the first Ctrl-C ends a run, and says which device it was', async () => {
    const { child, ended } = start(['train', config, '--json', '--set', 'training.steps=100000']);
    const lines: Line[] = [];
    createInterface(child.stdout!).on('line', (text) => lines.push(JSON.parse(text) as Line));
    await expect.poll(() => lines.some(({ event }) => event === 'stepsAppended'), { timeout: 20_000 }).toBe(true);
    const [victim] = childrenOf(child.pid!);
    process.kill(victim!, 'SIGSTOP');
    process.kill(-child.pid!, 'SIGINT');
    const code = await ended;
    const { state, reason } = lines.at(-1)!.summary!;
    expect([code, state]).toEqual([0, 'stopped']);
    expect(reason).toContain(`(process ${victim})`);
    expectNothingLeft(child.pid!);
  });

  it('the first Ctrl-C ends a run whose devices start', async () => {
    const { child, ended } = start(['train', config, '--json']);
    const lines: Line[] = [];
    createInterface(child.stdout!).on('line', (text) => lines.push(JSON.parse(text) as Line));
    await expect.poll(() => workersOf(child.pid!).length, { timeout: 20_000, interval: 1 }).toBe(2);
    workersOf(child.pid!).forEach((pid) => process.kill(pid, 'SIGSTOP'));
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(lines.at(-1)!.summary).toMatchObject({ state: 'stopped', step: 0 });
    expectNothingLeft(child.pid!);
  });

  it('a second Ctrl-C ends at once, and the run goes on from its last step', async () => {
    const { child, ended } = start(['train', config, '--json', '--set', 'training.steps=100000']);
    const lines: string[] = [];
    createInterface(child.stdout!).on('line', (text) => lines.push(text));
    const steps = (of: string[]) => of.filter((text) => text.includes('"stepsAppended"')).length;
    await expect.poll(() => steps(lines), { timeout: 20_000 }).toBeGreaterThan(0);
    process.kill(childrenOf(child.pid!)[0]!, 'SIGSTOP');
    child.kill('SIGINT');
    await sleep(1500);
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    await expect.poll(() => processesOf(child.pid!)).toEqual([]);

    const summaries = lines.map((text) => (JSON.parse(text) as Line).summary).filter((one) => one !== undefined);
    const { id } = summaries.at(-1)!;
    const resumed = start(['resume', id, '--json']);
    const more: string[] = [];
    createInterface(resumed.child.stdout!).on('line', (text) => more.push(text));
    await expect.poll(() => steps(more), { timeout: 20_000 }).toBeGreaterThan(0);
    resumed.child.kill('SIGINT');
    expect(await resumed.ended).toBe(0);
    const first = (JSON.parse(more.find((text) => text.includes('"stepsAppended"'))!) as Line).columns!.step[0]!;
    expect(first).toBeGreaterThanOrEqual(Math.max(...summaries.map(({ step }) => step)));
    for (const { pid } of [child, resumed.child]) expectNothingLeft(pid!);
  });

  it('Ctrl-C ends an evaluation', async () => {
    const trained = start(['train', config, '--json']);
    let id = '';
    for await (const text of createInterface(trained.child.stdout!)) id = (JSON.parse(text) as Line).summary?.id ?? id;
    const { child, ended } = start(['evaluate', id]);
    await expect.poll(() => workersOf(child.pid!).length, { timeout: 20_000, interval: 1 }).toBe(2);
    workersOf(child.pid!).forEach((pid) => process.kill(pid, 'SIGSTOP'));
    process.kill(-child.pid!, 'SIGINT');
    expect(await ended).toBe(130);
    await expect.poll(() => expectNothingLeft(child.pid!)).toBeUndefined();
  });
});
