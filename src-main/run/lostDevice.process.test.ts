import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeviceProcess } from './deviceProcess.ts';
import { cpuDevices, importDigits, newHome, nextEvent, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

const call = { signal: AbortSignal.timeout(60_000) };

/** Every process has ended, and no store is left. */
async function expectNothingLeft({ processes }: TestLab): Promise<void> {
  for (const { pid } of processes) expect(() => process.kill(pid!, 0)).toThrow();
  const stores = await readdir('/dev/shm').catch(() => []);
  expect(stores.filter((name) => name.startsWith(`sdp-lab-${process.pid}-`))).toEqual([]);
}

it('a device that dies while devices start ends what was begun, and leaves no process', async () => {
  let victim = '';
  const meddle = (started: DeviceProcess, name: string) => name === victim && started.kill();
  const lab = await openLab(home, meddle);
  const config = smallConfig({ devices: cpuDevices(4), training: { steps: 2 } });
  const done = await lab.app.start(config);
  expect((await lab.app.whenEnded(done)).state).toBe('done');
  for (const index of [0, 1, 3]) {
    victim = `cpu:${index}`;
    const lost = expect.stringMatching(`^device ${victim} \\(process \\d+\\) ended with signal SIGKILL`) as string;
    const runId = await lab.app.start(config);
    const summary = await lab.app.whenEnded(runId);
    expect(summary).toMatchObject({ state: 'failed', reason: lost });
    await expectNothingLeft(lab);
    await expect(lab.app.evaluate(done)).rejects.toMatchObject({ code: 'device', message: lost });
    await expect(lab.app.export(done, 'safetensors', {})).rejects.toMatchObject({ code: 'device', message: lost });
    await expect(lab.app.handlers.openTrial({ runId: done }, call)).rejects.toMatchObject({ message: lost });
    await expectNothingLeft(lab);
  }
  expect(lab.processes).toHaveLength(4 + 3 * 16);
  await lab.close();
});

it('devices that hang at their start do not keep a run from its end', async () => {
  const lab = await openLab(home, ({ pid }) => process.kill(pid!, 'SIGSTOP'));
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(2) }));
  await expect.poll(() => lab.processes.length).toBe(2);
  expect(await lab.app.stop(runId)).toMatchObject({ state: 'stopped', step: 0 });
  await expectNothingLeft(lab);
});

it('a dataset that shrinks while it is read is named', async () => {
  const lab = await openLab(home);
  await importDigits(home, 'shrinking');
  const config = smallConfig({ devices: cpuDevices(2), training: { steps: 100_000 } });
  const runId = await lab.app.start({ ...config, data: { ...config.data, dataset: 'shrinking' } });
  await nextEvent(lab, 'stepsAppended');
  await truncate(join(home, 'datasets', 'shrinking', 'train', 'images.npy'), 4096);
  const { state, reason } = await lab.app.whenEnded(runId);
  expect(state).toBe('failed');
  expect(reason).toMatch(
    /^device cpu:[01] \(process \d+\) ended with signal SIGBUS: dataset shrinking is damaged: its arrays have \d+ bytes, expected \d+; /,
  );
  await expectNothingLeft(lab);
});
