// Loads of NVIDIA's cards. On a machine without one another program of that name stands in for nvidia-smi.

import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseNvidiaLoads, watchNvidia } from './nvidiaLoad.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-nvidia-'));
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** Puts a shell script in the place of nvidia-smi; the function tells how often it was started. */
async function standIn(script: string): Promise<() => Promise<number>> {
  const [program, started] = [join(folder, 'nvidia-smi'), join(folder, 'started')];
  await writeFile(program, `#!/bin/sh\necho "$@" >> '${started}'\n${script}\n`);
  await chmod(program, 0o755);
  return async () => (await readFile(started, 'utf8').catch(() => '')).split('\n').length - 1;
}

it('reads memory and load of several cards, and what they do not tell', () => {
  const mib = 2 ** 20;
  expect(parseNvidiaLoads('0, 518, 37\n1, 81038, 100\n')).toEqual([
    { id: 'cuda:0', memoryUsedBytes: 518 * mib, load: 0.37 },
    { id: 'cuda:1', memoryUsedBytes: 81038 * mib, load: 1 },
  ]);
  expect(parseNvidiaLoads('0, 1024, [N/A]\r\n1, [N/A], [Not Supported]\r\n')).toEqual([
    { id: 'cuda:0', memoryUsedBytes: 1024 * mib, load: null },
    { id: 'cuda:1', memoryUsedBytes: null, load: null },
  ]);
});

it.each([
  '',
  'No devices were found\n',
  "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
  'index, memory.used [MiB], utilization.gpu [%]\n',
  '0, 518 MiB, 37 %\n',
  '0, -1, 37\n',
  '0, 518\n',
  '0, 518, 37, 4\n',
])('takes %j for no answer', (text) => expect(parseNvidiaLoads(text)).toEqual([]));

it.skipIf(process.platform === 'win32')('starts one process for all that ask within a second', async () => {
  const started = await standIn("echo '0, 518, 37'");
  const loads = watchNvidia();
  const expected = [{ id: 'cuda:0', memoryUsedBytes: 518 * 2 ** 20, load: 0.37 }];
  expect(await Promise.all([loads(), loads(), loads()])).toEqual([expected, expected, expected]);
  expect(await started()).toBe(1);
  expect(await readFile(join(folder, 'started'), 'utf8')).toBe(
    '--query-gpu=index,memory.used,utilization.gpu --format=csv,noheader,nounits\n',
  );
});

it.skipIf(process.platform === 'win32').each([
  ['fails', "echo '0, 518, 37'; exit 9"],
  ['hangs', 'exec sleep 600'],
])('has no value where nvidia-smi %s, and does not start it again soon', async (_, script) => {
  const started = await standIn(script);
  const loads = watchNvidia(500);
  expect(await loads()).toEqual([]);
  expect(await loads()).toEqual([]);
  expect(await started()).toBe(1);
});

it('has no value where there is no nvidia-smi', async () => {
  vi.stubEnv('PATH', folder);
  expect(await watchNvidia()()).toEqual([]);
});
