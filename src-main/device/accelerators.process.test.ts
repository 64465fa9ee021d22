// Finding devices with real processes: one that works, and drivers that are missing, crash or hang.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { DeviceProcess, SpawnDevice } from '../processes/deviceProcess.ts';
import { builtWorker } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { spawnDevice } from '../processes/childProcess.ts';
import { searchAccelerators } from './accelerators.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-probe-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function reasonOf(spawn: SpawnDevice, patienceMs?: number): Promise<string | undefined> {
  const { devices, missing } = await searchAccelerators(spawn, patienceMs);
  expect(devices.filter(({ kind }) => kind === 'webgpu')).toEqual([]);
  return missing.find(({ kind }) => kind === 'webgpu')?.reason;
}

/** Device processes that run a script of a test, and the last one started. */
async function scripted(name: string, script: string) {
  const path = join(folder, `${name}.mjs`);
  await writeFile(path, script);
  const started: DeviceProcess[] = [];
  const spawn: SpawnDevice = (device) => {
    started.push(spawnDevice(path)(device));
    return started.at(-1)!;
  };
  return { spawn, started };
}

it('takes a driver that kills its process for one that is not there', async () => {
  const { spawn } = await scripted('crash', `process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);`);
  expect(await reasonOf(spawn)).toBe('trying it ended its process with SIGSEGV');
});

it('takes a driver that hangs for one that is not there, and ends its process', async () => {
  const { spawn, started } = await scripted('hang', 'while (true);');
  expect(await reasonOf(spawn, 1000)).toBe('no answer within 1 s');
  for (const { exited } of started) expect(await exited).toMatchObject({ signal: 'SIGKILL' });
});

it.runIf(process.platform === 'linux')('says what is missing where there is no driver', async () => {
  vi.stubEnv('VK_DRIVER_FILES', '/nonexistent');
  vi.stubEnv('VK_ICD_FILENAMES', '/nonexistent');
  expect(await reasonOf(builtWorker())).toMatch(/no WebGPU (adapter|provider)/);
});

it.skipIf(!softwareVulkan)(`finds the adapter ${onSoftwareVulkan}`, async () => {
  for (const [name, value] of Object.entries(softwareVulkan!)) vi.stubEnv(name, value);
  const { devices, missing } = await searchAccelerators(builtWorker());
  expect(missing.filter(({ kind }) => kind === 'webgpu')).toEqual([]);
  expect(devices).toContainEqual(
    expect.objectContaining({ id: 'webgpu:0', kind: 'webgpu', executionProvider: 'WebGpuExecutionProvider' }),
  );
});
