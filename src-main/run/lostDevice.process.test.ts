import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunSummary } from '../contract/run.ts';
import { usualPatience } from '../fleet/silence.ts';
import type { DeviceProcess } from '../processes/deviceProcess.ts';
import { RunFolder } from '../records/runFolder.ts';
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

/** Whether a process has opened the store of its run. */
function mapsStore(pid: number | undefined): boolean {
  return pid !== undefined && readFileSync(`/proc/${pid}/maps`, 'utf8').includes(`sdp-lab-${process.pid}-`);
}

/** What a checkpoint holds. */
async function checkpointBytes(runId: string, step: number): Promise<Buffer[]> {
  const folder = new RunFolder(home, runId).checkpointPath(step);
  return await Promise.all(['values', 'optimizer'].map((name) => readFile(join(folder, `${name}.safetensors`))));
}

/** Every step has its metrics, or the run says that they are missing. */
async function expectMetricsOrWarning({ id, step, warning }: RunSummary): Promise<void> {
  const lines = (await readFile(join(home, 'runs', id, 'metrics.jsonl'), 'utf8')).split('\n');
  const numSteps = lines.filter((line) => line.startsWith('{"step":')).length;
  const missing = step - numSteps;
  if (missing === 0) return expect(warning).toBe('');
  expect(warning).toMatch(
    missing === 1 ? /^the metrics of the last step before/ : `the metrics of the last ${missing} steps`,
  );
}

it('a device that dies while devices start is done without; where all die, what was begun fails and leaves no process', async () => {
  let victims: string[] = [];
  const meddle = (started: DeviceProcess, name: string) => victims.includes(name) && started.kill();
  const lab = await openLab(home, meddle);
  const config = smallConfig({ devices: cpuDevices(4), training: { steps: 2 } });
  const done = await lab.app.start(config);
  expect((await lab.app.whenEnded(done)).state).toBe('done');
  const { accuracy } = await lab.app.evaluate(done);
  for (const index of [0, 3]) {
    victims = [`cpu:${index}`];
    const runId = await lab.app.start(config);
    const { state, warning } = await lab.app.whenEnded(runId);
    const left = [0, 1, 2, 3].filter((other) => other !== index).map((other) => `cpu:${other}`);
    const told = `^device cpu:${index} \\(process \\d+\\) ended with signal SIGKILL.*; the run goes on from step 0 on ${left.join(', ')}$`;
    expect([state, warning]).toEqual(['done', expect.stringMatching(told)]);
    expect(await checkpointBytes(runId, 2)).toEqual(await checkpointBytes(done, 2));
    expect(await lab.app.evaluate(done)).toMatchObject({ accuracy });
    await lab.app.export(done, 'safetensors', {});
    await expectNothingLeft(lab);
  }
  victims = cpuDevices(4).map(({ id }) => id);
  const lost = expect.stringMatching(/^device cpu:\d \(process \d+\) ended with signal SIGKILL/) as string;
  const runId = await lab.app.start(config);
  expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'failed', reason: lost });
  await expectNothingLeft(lab);
  await expect(lab.app.evaluate(done)).rejects.toMatchObject({ code: 'device', message: lost });
  await expect(lab.app.export(done, 'safetensors', {})).rejects.toMatchObject({ code: 'device', message: lost });
  await expect(lab.app.handlers.openPlayground({ runId: done }, call)).rejects.toMatchObject({ message: lost });
  await expectNothingLeft(lab);
  await lab.close();
});

/** Of its two devices cpu:1 has twice as much to do: the other one waits for it, nearly all the time. */
const uneven = (checkpoint = {}) =>
  smallConfig({
    subnetworks: { workers: 3 },
    devices: cpuDevices(2),
    training: { steps: 100_000, batch: 300 },
    checkpoint,
  });

it('a device that hangs while it trains is ended and named, and not who waits for it; the run goes on', async () => {
  const lab = await openLab(home, undefined, { ...usualPatience, firstMs: 60_000 });
  const runId = await lab.app.start(uneven());
  await nextEvent(lab, 'stepsAppended');
  const { pid } = lab.processes[1]!;
  process.kill(pid!, 'SIGSTOP');
  const warned = (payload: unknown) => (payload as { summary: RunSummary }).summary.warning !== '';
  await nextEvent(lab, 'runChanged', warned);
  await nextEvent(lab, 'stepsAppended');
  const summary = await lab.app.stop(runId);
  expect(summary).toMatchObject({
    state: 'stopped',
    warning: expect.stringMatching(
      `^device cpu:1 \\(process ${pid}\\) got nothing done for \\d+ s and was ended; the run goes on from step \\d+ on cpu:0$`,
    ) as string,
  });
  await expectNothingLeft(lab);
});

it('a device that hangs when a run is to end does not keep it, and no step before is lost', async () => {
  const hung = await openLab(home);
  const runId = await hung.app.start(uneven());
  await nextEvent(hung, 'stepsAppended');
  const { pid } = hung.processes[1]!;
  process.kill(pid!, 'SIGSTOP');
  const summary = await hung.app.stop(runId);
  const { id, state, reason, step } = summary;
  const sentence = `the step in progress was given up, as device cpu:1 (process ${pid}) had not done it after 5 s`;
  expect([state, reason]).toEqual(['stopped', `stopped on request; ${sentence}`]);
  await expectNothingLeft(hung);
  await expectMetricsOrWarning(summary);
  const lab = await openLab(home);
  const whole = await lab.app.start(uneven({ every: step, keep: 1000 }));
  await nextEvent(lab, 'checkpointWritten');
  await lab.app.stop(whole);
  expect(await checkpointBytes(id, step)).toEqual(await checkpointBytes(whole, step));
}, 90_000);

it('a device that hangs at its start is ended, and the others go on without it', async () => {
  const patience = { ...usualPatience, firstMs: 10_000, leastMs: 10_000 };
  const hang = ({ pid }: DeviceProcess, name: string) => name === 'cpu:1' && process.kill(pid!, 'SIGSTOP');
  const lab = await openLab(home, hang, patience);
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(2) }));
  const { state, warning } = await lab.app.whenEnded(runId);
  expect([state, warning]).toEqual([
    'done',
    expect.stringMatching(
      /^device cpu:1 \(process \d+\): the other side did not answer within 10 s; .*; the run goes on from step 0 on cpu:0$/,
    ),
  ]);
  await expectNothingLeft(lab);
});

it('a device that hangs while a checkpoint is evaluated is ended, and the others evaluate', async () => {
  const lab = await openLab(home, undefined, { ...usualPatience, firstMs: 10_000, leastMs: 10_000 });
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(2) }));
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  const whole = await lab.app.evaluate(runId);
  const before = lab.processes.length;
  const evaluated = lab.app.evaluate(runId);
  // Its store is opened when it has answered.
  await expect.poll(() => mapsStore(lab.processes[before + 1]?.pid), { timeout: 20_000, interval: 1 }).toBe(true);
  const { pid } = lab.processes[before + 1]!;
  process.kill(pid!, 'SIGSTOP');
  expect(await evaluated).toMatchObject({ accuracy: whole.accuracy });
  await expectNothingLeft(lab);
});

it('a device that dies while the run is paused is done without, and the run stays paused until it is let go on', async () => {
  const lab = await openLab(home);
  const config = (numDevices: number) => smallConfig({ devices: cpuDevices(numDevices), training: { steps: 300 } });
  const runId = await lab.app.start(config(2));
  await nextEvent(lab, 'stepsAppended');
  await lab.app.handlers.pauseRun({ runId }, call);
  lab.processes[0]!.kill();
  const isWarned = (payload: unknown) => (payload as { summary: RunSummary }).summary.warning !== '';
  await nextEvent(lab, 'runChanged', isWarned);
  expect((await lab.app.handlers.getRun({ runId }, call)).summary.state).toBe('paused');
  await lab.app.handlers.resumeRun({ runId }, call);
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  const whole = await lab.app.start(config(1));
  expect((await lab.app.whenEnded(whole)).state).toBe('done');
  expect(await checkpointBytes(runId, 300)).toEqual(await checkpointBytes(whole, 300));
  await expectNothingLeft(lab);
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

/** Answers of the process to a command say that the device has failed. */
function failAt(command: string, { transport }: DeviceProcess): void {
  const asked = new Set<unknown>();
  const send = transport.send.bind(transport);
  const onMessage = transport.onMessage.bind(transport);
  transport.send = (message) => {
    const call = message as { command?: string; id: number };
    if (call.command === command) asked.add(call.id);
    send(message);
  };
  const error = { code: 'device', message: 'the driver has gone' };
  transport.onMessage = (listener) =>
    onMessage((message) => {
      const { type, id } = message as { type: string; id: number };
      listener(type === 'reply' && asked.delete(id) ? { type: 'failure', id, error } : message);
    });
}

it.each(['prepare', 'train', 'evaluate'])('a device that lives but fails at %s is done without', async (command) => {
  let victim = '';
  const lab = await openLab(home, (started, name) => name === victim && failAt(command, started));
  const config = smallConfig({ devices: cpuDevices(2) });
  const whole = await lab.app.start(config);
  const { accuracy } = await lab.app.whenEnded(whole);
  victim = 'cpu:0';
  const runId = await lab.app.start(config);
  const { state, warning, ...summary } = await lab.app.whenEnded(runId);
  const told = expect.stringMatching(
    /^device cpu:0 \(process \d+\) has failed: the driver has gone; the run goes on from step \d on cpu:1$/,
  ) as string;
  expect([state, warning, summary.accuracy]).toEqual(['done', told, accuracy]);
  expect(await checkpointBytes(runId, 6)).toEqual(await checkpointBytes(whole, 6));
  await expectNothingLeft(lab);
});

it('where every device fails, the run does, with what the last one has said', async () => {
  const lab = await openLab(home, (started) => failAt('prepare', started));
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(2) }));
  const { state, reason } = await lab.app.whenEnded(runId);
  expect([state, reason]).toEqual([
    'failed',
    expect.stringMatching(/^the driver has gone while preparing; there is no checkpoint yet$/),
  ]);
  await expectNothingLeft(lab);
});

it('where the device dies that is to take over from one that leaves, that one stays', async () => {
  const lab = await openLab(home);
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(2), training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  await lab.app.handlers.pauseRun({ runId }, call);
  // It cannot take over sessions: no memory is left for anything.
  execFileSync('prlimit', ['--pid', String(lab.processes[0]!.pid), '--data=1']);
  const leaving = Promise.resolve(lab.app.handlers.removeDevice({ runId, device: 'cpu:1' }, call));
  await expect(leaving).rejects.toThrow('a device was lost meanwhile, so the others stay as they are; try again');
  await nextEvent(lab, 'replanned');
  const { plan } = await lab.app.handlers.getRun({ runId }, call);
  expect(plan!.devices.map(({ id, workers }) => [id, workers])).toEqual([['cpu:1', [0, 1, 2, 3]]]);
  await lab.app.handlers.resumeRun({ runId }, call);
  await nextEvent(lab, 'stepsAppended');
  expect((await lab.app.stop(runId)).state).toBe('stopped');
  await expectNothingLeft(lab);
});
