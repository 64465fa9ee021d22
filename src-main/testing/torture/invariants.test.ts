// What must not be is found: each check of the torture, on what it is to find.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Command } from './command.ts';
import { Chance } from './chance.ts';
import { afterEach } from './invariants.ts';
import { Scene } from './scene.ts';

const ended = (code: Command['code'], stderr: string) =>
  ({ args: ['train'], pid: 0, code, stderr, wasKilled: false }) as Partial<Command> as Command;

async function scene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'sdp-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const made = new Scene(folder, undefined as never, undefined as never, []);
  await mkdir(join(made.home, 'runs'), { recursive: true });
  await mkdir(made.temporary);
  return made;
}

const check = async (name: string, on: Scene) => await afterEach[name]!(on);

it.each([
  ['an exit code that is not documented', 3, 'sdp: no'],
  ['a crash', 'SIGSEGV' as const, ''],
  ['a stack', 1, 'sdp: no\n    at file:///cli.js:3:1\n'],
  ['a bug', 1, 'sdp: unexpected error, please report it: no'],
  ['two sentences', 1, 'sdp: no\nsdp: no\n'],
  ['a line of something else', 0, 'ExperimentalWarning: no\n'],
])('%s is no end of a command', async (_, code, stderr) => {
  const made = await scene();
  made.commands.push(ended(code, stderr));
  await expect(check('every command ends as documented', made)).rejects.toThrow('"sdp train"');
});

it.each([
  [0, 'warning: this is of step 3\n'],
  [1, 'sdp: run a is active; stop it\n'],
  [143, ''],
])('code %s and "%s" is one', async (code, stderr) => {
  const made = await scene();
  made.commands.push(ended(code, stderr));
  await check('every command ends as documented', made);
});

it.each(['runs/a/state.json.partial-0123456789ab', 'runs/.partial-30', 'runs/.replaced-30', 'runs/.deleted-a'])(
  '%s is found',
  async (name) => {
    const made = await scene();
    await mkdir(join(made.home, 'runs/a'));
    await check('no partial file outlives', made);
    await writeFile(join(made.home, name), '');
    await expect(check('no partial file outlives', made)).rejects.toThrow(name);
  },
);

it('a temporary file is found', async () => {
  const made = await scene();
  await check('no store outlives', made);
  await writeFile(join(made.temporary, 'left'), '');
  await expect(check('no store outlives', made)).rejects.toThrow('left');
});

it('a seed repeats its choices, and close seeds make others', () => {
  const choices = (seed: number) => {
    const chance = new Chance(seed);
    return Array.from({ length: 20 }, () => chance.below(10)).join('');
  };
  expect(choices(1)).toBe(choices(1));
  expect(new Set([1, 2, 3, 4].map(choices)).size).toBe(4);
});
