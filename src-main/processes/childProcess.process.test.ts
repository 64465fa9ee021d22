import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fork } from 'node:child_process';
import { build } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { deviceEnvironment, spawnDevice } from './childProcess.ts';
import { openLog } from '../log/log.ts';
import { connect } from '../transport/client.ts';
import { testContract } from '../transport/testContract.ts';

let folder: string;
let worker: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sdp-transport-'));
  worker = join(folder, 'testWorker.js');
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true },
    build: { ssr: join(import.meta.dirname, 'testWorker.ts'), outDir: folder, minify: false },
  });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
});

afterAll(() => rmSync(folder, { recursive: true }));

async function started() {
  const device = spawnDevice(worker)('cpu:0');
  onTestFinished(() => device.kill());
  return { device, client: await connect(device.transport, testContract) };
}

test('a worker answers calls and sends events', async () => {
  const { client, device } = await started();
  const counted = new Promise((resolve) => client.on('counted', resolve));
  expect(await client.call.double({ value: 21 })).toBe(42);
  expect(await counted).toEqual({ count: 21 });
  expect(device.pid).toBeGreaterThan(0);
  await expect(client.call.refuse({})).rejects.toMatchObject({ code: 'data', key: 'labels.gz' });
});

test('what a worker writes, such as the stack of an exception, is in the log, the message with the caller', async () => {
  const log = join(folder, 'logs/sdp.log');
  openLog(log);
  const { client } = await started();
  await expect(client.call.crash({})).rejects.toMatchObject({ code: 'internal', message: 'impossible shape [0]' });
  const written = new RegExp(`^\\S+ +WARN process ${process.pid}: cpu:0: Error: impossible shape \\[0\\]$`, 'm');
  await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toMatch(written));
});

test('a worker that dies settles its calls and leaves exit code and last lines', async () => {
  const { client, device } = await started();
  const calls = [client.call.wait({}), client.call.die({ lines: 30 })];
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'disconnected' });
  const exit = await device.exited;
  expect(exit).toMatchObject({ code: 7, signal: null });
  expect(exit.lastOutput.split('\n')).toEqual(Array.from({ length: 20 }, (_, index) => `last words ${index + 11}`));
});

test('an exception that nobody catches ends a worker with its stack and one sentence', async () => {
  const { client, device } = await started();
  await client.call.double({ value: -1 });
  const { code, lastOutput } = await device.exited;
  expect([code, lastOutput.split('\n').at(-1)]).toEqual([1, 'last word: nobody catches -1']);
  expect(lastOutput).toMatch(/^Error: nobody catches -1\n +at throwUncaught /);
});

test('a worker that is killed settles its calls and names the signal', async () => {
  const { client, device } = await started();
  const waiting = client.call.wait({});
  device.kill();
  await expect(waiting).rejects.toMatchObject({ code: 'disconnected' });
  expect(await device.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
});

test('a worker ends by itself when its channel closes', async () => {
  const { client, device } = await started();
  client.close();
  expect(await device.exited).toMatchObject({ code: 0, signal: null });
});

test('a worker whose parent is killed does not outlive it', async () => {
  const parentPath = join(folder, 'parent.mjs');
  writeFileSync(
    parentPath,
    `import { fork } from 'node:child_process';
     const child = fork(${JSON.stringify(worker)}, { serialization: 'advanced' });
     process.send(child.pid);
     setInterval(() => {}, 1000);`,
  );
  const parentProcess = fork(parentPath);
  const pid = await new Promise<number>((resolve) =>
    parentProcess.once('message', (message) => resolve(message as number)),
  );
  await sleep(300);
  expect(isAlive(pid)).toBe(true);
  parentProcess.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 5000);
});

test('a worker that cannot be loaded leaves the reason', async () => {
  const device = spawnDevice(join(folder, 'absent.js'))('cpu:0');
  await expect(connect(device.transport, testContract)).rejects.toMatchObject({ code: 'disconnected' });
  const exit = await device.exited;
  expect(exit.code).toBe(1);
  expect(exit.lastOutput).toMatch(/Cannot find module/);
});

test('a worker gets paths and driver settings of the environment, and nothing that changes how Node runs', async () => {
  vi.stubEnv('NODE_OPTIONS', '--no-warnings');
  vi.stubEnv('ELECTRON_RUN_AS_NODE', '1');
  vi.stubEnv('SOME_SECRET_TOKEN', 'x');
  vi.stubEnv('CUDA_VISIBLE_DEVICES', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { client } = await started();
  const names = Object.keys(await client.call.environment({}));
  expect(names).toEqual(expect.arrayContaining(['PATH', 'CUDA_VISIBLE_DEVICES']));
  expect(names).not.toEqual(expect.arrayContaining(['NODE_OPTIONS']));
  expect(names).not.toEqual(expect.arrayContaining(['SOME_SECRET_TOKEN']));
  expect(deviceEnvironment({ Path: 'a', NODE_PATH: 'b', NODE_EXTRA_CA_CERTS: 'c', HTTPS_PROXY: 'd' })).toEqual({
    Path: 'a',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    ORT_DISABLE_TELEMETRY: '1',
  });
  expect(deviceEnvironment({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' })).toMatchObject({
    CUDA_DEVICE_ORDER: 'FASTEST_FIRST',
  });
});

/** A zombie whose new parent has not noticed yet counts as ended. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
