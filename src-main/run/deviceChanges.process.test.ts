import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { RunConfig } from '../contract/runConfig.ts';
import { RunFolder } from '../records/runFolder.ts';
import { cpuDevices, familyConfig, importText, newHome, nextEvent, openLab, type TestLab } from '../testing/lab.ts';
import { outcomeOf } from '../testing/survival.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
  await importText(home);
});
afterAll(() => rm(home, { recursive: true, force: true }));

const call = { signal: AbortSignal.timeout(600_000) };
const long = { steps: 1_000_000, clipGlobalNorm: 1 };

/** The run on one device that does as many steps. */
async function undisturbed(lab: TestLab, config: RunConfig, steps: number) {
  const runId = await lab.app.start({ ...config, devices: cpuDevices(1), training: { ...config.training, steps } });
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  return await outcomeOf(lab, runId);
}

const add = async (lab: TestLab, runId: string, id: string) =>
  await lab.app.handlers.addDevice({ runId, device: { id, threads: 1 } }, call);
const remove = async (lab: TestLab, runId: string, id: string) =>
  await lab.app.handlers.removeDevice({ runId, device: id }, call);

/** Workers by device, as the plan tells. */
async function whoRunsWhat(lab: TestLab, runId: string): Promise<Record<string, number[]>> {
  const { plan } = await lab.app.handlers.getRun({ runId }, call);
  return Object.fromEntries(plan!.devices.map(({ id, workers }) => [id, workers]));
}

const living = ({ processes }: TestLab) =>
  processes.filter(({ pid }) => {
    try {
      return process.kill(pid!, 0);
    } catch {
      return false;
    }
  }).length;

const swaps = ['+cpu:2', '-cpu:0', '+cpu:3', '+cpu:0', '-cpu:2', '-cpu:1', '-cpu:3', '+cpu:7', '+cpu:1', '-cpu:0'];

describe.each([
  ['resnet', swaps, ['cpu:1', 'cpu:7']],
  ['llama', swaps.slice(0, 4), ['cpu:0', 'cpu:1', 'cpu:2', 'cpu:3']],
] as const)('a run of %s', (family, changes, left) => {
  it('that devices join and leave ends with the same bits as without', async () => {
    const lab = await openLab(home);
    const config = familyConfig(family, { devices: cpuDevices(2), training: long });
    const runId = await lab.app.start(config);
    await nextEvent(lab, 'stepsAppended');
    for (const [index, change] of changes.entries()) {
      // Planning takes many steps' time; every third is done while the run trains.
      const pauses = index % 3 > 0;
      if (pauses) await lab.app.handlers.pauseRun({ runId }, call);
      await (change.startsWith('+') ? add : remove)(lab, runId, change.slice(1));
      if (pauses) await lab.app.handlers.resumeRun({ runId }, call);
      await nextEvent(lab, 'stepsAppended');
    }
    expect(living(lab)).toBe(left.length);
    const placed = await whoRunsWhat(lab, runId);
    expect(Object.keys(placed).sort()).toEqual(left);
    expect(Object.values(placed).flat().sort()).toEqual([0, 1, 2, 3]);
    const { step } = await lab.app.stop(runId);
    expect(await outcomeOf(lab, runId)).toEqual(await undisturbed(lab, config, step));
    const { deviceChanges, config: stored } = await lab.app.handlers.getRun({ runId }, call);
    const told = deviceChanges.map(({ change, device }) => `${change === 'joined' ? '+' : '-'}${device}`);
    expect(told).toEqual(changes);
    expect([...(stored.devices as { id: string }[])].map(({ id }) => id).sort()).toEqual(left);
    await lab.close();
  }, 300_000);
});

it('a device that died comes back, also while the run is paused', async () => {
  const lab = await openLab(home);
  const config = familyConfig('resnet', { devices: cpuDevices(2), training: long });
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'stepsAppended');
  lab.processes[1]!.kill();
  await nextEvent(lab, 'replanned');
  expect(await whoRunsWhat(lab, runId)).toEqual({ 'cpu:0': [0, 1, 2, 3] });
  await lab.app.handlers.pauseRun({ runId }, call);
  const { warning, state } = await add(lab, runId, 'cpu:1');
  expect([warning, state]).toEqual(['', 'paused']);
  expect(await whoRunsWhat(lab, runId)).toEqual({ 'cpu:0': [0, 1], 'cpu:1': [2, 3] });
  await lab.app.handlers.resumeRun({ runId }, call);
  await nextEvent(lab, 'stepsAppended');
  const { step } = await lab.app.stop(runId);
  expect(await outcomeOf(lab, runId)).toEqual(await undisturbed(lab, config, step));
  const { deviceChanges } = await lab.app.handlers.getRun({ runId }, call);
  const lost = expect.stringMatching(/^device cpu:1 \(process \d+\) ended with signal SIGKILL/) as string;
  expect(deviceChanges.map(({ device, change, reason }) => [device, change, reason])).toEqual([
    ['cpu:1', 'lost', lost],
    ['cpu:1', 'joined', ''],
  ]);
  await lab.close();
});

it('what cannot be is refused in one sentence, and the run goes on as before', async () => {
  let victim = '';
  const lab = await openLab(home, (started, name) => name === victim && started.kill());
  const config = familyConfig('resnet', { devices: cpuDevices(2), training: long });
  const runId = await lab.app.start(config);
  await expect(add(lab, runId, 'cpu:2')).rejects.toThrow(`run ${runId} does not train`);
  await nextEvent(lab, 'stepsAppended');
  await expect(add(lab, runId, 'cpu:1')).rejects.toThrow('cpu:1 takes part in this run already');
  await expect(remove(lab, runId, 'cpu:5')).rejects.toThrow('cpu:5 is no device of this run, which has cpu:0, cpu:1');
  await expect(add(lab, runId, 'cuda:0')).rejects.toThrow('devices: cuda:0 is not a device of this machine');
  const tooSmall = { runId, device: { id: 'cpu:2', threads: 1, memory: '8MiB' } };
  await expect(lab.app.handlers.addDevice(tooSmall, call)).rejects.toThrow(/cpu:2 needs .* and has 8\.0 MiB/);
  victim = 'cpu:3';
  await expect(add(lab, runId, 'cpu:3')).rejects.toThrow(/^device cpu:3 \(process \d+\) ended with signal SIGKILL/);
  await remove(lab, runId, 'cpu:0');
  await expect(remove(lab, runId, 'cpu:1')).rejects.toThrow('cpu:1 is the only device of this run');
  for (const id of ['cpu:4', 'cpu:5', 'cpu:6']) await add(lab, runId, id);
  await expect(add(lab, runId, 'cpu:7')).rejects.toThrow('devices must be at most one per worker, 4, got 5');
  expect(living(lab)).toBe(4);
  const { step, warning } = await lab.app.stop(runId);
  expect(warning).toBe('');
  expect(await outcomeOf(lab, runId)).toEqual(await undisturbed(lab, config, step));
  await expect(add(lab, runId, 'cpu:2')).rejects.toThrow(`run ${runId} is not active`);
  await lab.close();
});

it('a run that stops while a device is to join ends, and the device with it', async () => {
  const lab = await openLab(home);
  const runId = await lab.app.start(familyConfig('resnet', { devices: cpuDevices(1), training: long }));
  await nextEvent(lab, 'stepsAppended');
  const joined = add(lab, runId, 'cpu:1').catch((error: Error) => error.message);
  await expect.poll(() => lab.processes.length, { interval: 1 }).toBe(2);
  expect((await lab.app.stop(runId)).state).toBe('stopped');
  expect(await joined).toSatisfy((told: unknown) => typeof told === 'string' || living(lab) === 0);
  expect(living(lab)).toBe(0);
  expect(await new RunFolder(home, runId).checkpoints()).toHaveLength(1);
  await lab.close();
});

it('workers move from a device that turns out slow, and the bits are the same', async () => {
  const lab = await openLab(home);
  const config = familyConfig('resnet', { devices: cpuDevices(2), training: long });
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'stepsAppended');
  // It stands still for most of the time.
  const { pid } = lab.processes[1]!;
  let tick = 0;
  const slowing = setInterval(() => process.kill(pid!, tick++ % 4 > 0 ? 'SIGSTOP' : 'SIGCONT'), 25);
  onTestFinished(() => clearInterval(slowing));
  await nextEvent(lab, 'replanned');
  expect(await whoRunsWhat(lab, runId)).toEqual({ 'cpu:0': [0, 1, 3], 'cpu:1': [2] });
  clearInterval(slowing);
  process.kill(pid!, 'SIGCONT');
  const { step } = await lab.app.stop(runId);
  expect(await outcomeOf(lab, runId)).toEqual(await undisturbed(lab, config, step));
  expect((await new RunFolder(home, runId).lastLogLines(10)).join('\n')).toContain(
    'workers have moved to even out the time of the devices: cpu:0 runs 0, 1, 3; cpu:1 runs 2 (step',
  );
  await lab.close();
}, 300_000);
