import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readActivity } from './standstill.ts';

it.skipIf(process.platform !== 'linux')('a process that computes is told from one that stands still', async () => {
  const child = spawn(process.execPath, ['-e', 'console.log(); for (;;);']);
  await once(child.stdout, 'data');
  const activity = () => readActivity(child.pid!)!;
  const [before, { runs }] = [activity().seconds, activity()];
  expect(runs).toBe(true);
  while (activity().seconds < before + 0.1) await delay(20);
  child.kill('SIGSTOP');
  while (activity().runs) await delay(20);
  const { seconds } = activity();
  await delay(300);
  expect(activity()).toEqual({ seconds, runs: false });
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(readActivity(child.pid!)).toBeNull();
});
