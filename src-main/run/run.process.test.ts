import { decodeOnnx } from '../graph/onnx.ts';
import { cp, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isActive, type RunDetail, type RunSummary } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import {
  builtWorker,
  cpuDevices,
  newHome,
  nextEvent,
  openLab,
  smallConfig,
  type TestLab,
  withRecord,
} from '../testing/lab.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { notesOf, onnxFormOf } from './exportNotes.ts';
import { exportStore } from './exportRun.ts';
import { openFleet, prepareFromHome } from '../fleet/openFleet.ts';
import { RunFolder } from '../records/runFolder.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function runToEnd(lab: TestLab, config: RunConfig) {
  const runId = await lab.app.start(config);
  const summary = await lab.app.whenEnded(runId);
  return { summary, folder: new RunFolder(lab.home, runId) };
}

const checkpointBytes = async (folder: RunFolder, step: number) => ({
  values: await readFile(join(folder.checkpointPath(step), 'values.safetensors')),
  optimizer: await readFile(join(folder.checkpointPath(step), 'optimizer.safetensors')),
});

const detailOf = (lab: TestLab, { id }: RunFolder) =>
  lab.app.handlers.getRun({ runId: id }, { signal: AbortSignal.timeout(10_000) });

/** Those of the last step: its norm is that of all rows together, and nobody publishes what he does not hold. */
function expectGradients({ gradients, columns, plan }: RunDetail): void {
  const { step, norms, mean, disagreement } = gradients!;
  expect([step, mean.length, disagreement.length]).toEqual([6, plan!.units.length + 1, plan!.units.length + 1]);
  const squares = mean.reduce<number>((sum, norm) => sum + norm! ** 2, 0);
  expect(Math.sqrt(squares) / columns.gradNorm.at(-1)!).toBeCloseTo(1, 12);
  const holds = plan!.units.map(({ holders, held }) =>
    norms[0]!.map((_, w) => held?.[w]!.length ?? holders.includes(w)),
  );
  expect(norms.slice(0, -1).map((row) => row.map((norm) => norm! > 0))).toEqual(
    holds.map((row) => row.map((some) => Number(some) > 0)),
  );
  expect(Math.min(...norms.at(-1)!.map(Number), ...disagreement.map(Number))).toBeGreaterThan(0);
}

const regimes = [
  { granularity: 'block', masking: 'forward' },
  { granularity: 'block', masking: 'backward' },
  { granularity: 'neuron', masking: 'forward' },
  { granularity: 'neuron', masking: 'backward' },
] as const;

it.each(regimes)('$granularity-$masking is bit-equal for 1, 2 and 4 device processes', async (regime) => {
  const lab = await openLab(home);
  const results = [];
  const folders = [];
  for (const count of [1, 2, 4]) {
    const config = smallConfig({
      subnetworks: regime,
      devices: cpuDevices(count),
      training: { optimizer: 'adamw', clipGlobalNorm: 0.5 },
    });
    const { summary, folder } = await runToEnd(lab, config);
    expect([summary.state, summary.reason, summary.step]).toEqual(['done', '', 6]);
    folders.push(folder);
    const detail = await detailOf(lab, folder);
    expectGradients(detail);
    results.push({
      ...(await checkpointBytes(folder, 6)),
      accuracy: summary.accuracy,
      gradients: detail.gradients,
    });
  }
  expect((await detailOf(await openLab(home), folders.at(-1)!)).gradients).toEqual(results[0]!.gradients);
  expect(results[1]!.values.equals(results[0]!.values)).toBe(true);
  expect(results[2]).toEqual(results[0]);
  expect(results[1]).toEqual(results[0]);
});

it('a run that is stopped and resumed ends with the very same parameters and metrics', async () => {
  const lab = await openLab(home);
  const training = { steps: 12, optimizer: 'sgd', schedule: 'cosine', warmupSteps: 3 };
  const config = smallConfig({ devices: cpuDevices(2), training });
  const whole = await runToEnd(lab, config);
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'stepsAppended');
  const stopped = await lab.app.stop(runId);
  expect(stopped).toMatchObject({ state: 'stopped', reason: 'stopped on request' });
  expect(stopped.step).toBeGreaterThan(0);
  const folder = new RunFolder(home, runId);
  expect(await folder.checkpoints()).toEqual([stopped.step]);
  await lab.app.resume(runId);
  expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'done', step: 12 });
  expect(await checkpointBytes(folder, 12)).toEqual(await checkpointBytes(whole.folder, 12));
  const metrics = async (of: RunFolder) => {
    const detail = await detailOf(lab, of);
    return [
      detail.columns.step,
      detail.columns.loss,
      detail.columns.learningRate,
      detail.evaluations.map((e) => [e.step, e.accuracy]),
    ];
  };
  expect(await metrics(folder)).toEqual(await metrics(whole.folder));
});

it('a run that is paused, saved and let go on ends with the very same parameters', async () => {
  const lab = await openLab(home);
  const config = smallConfig({ devices: cpuDevices(2), training: { steps: 300 } });
  const whole = await runToEnd(lab, config);
  const runId = await lab.app.start(config);
  const call = { signal: new AbortController().signal };
  const { handlers } = lab.app;
  await nextEvent(lab, 'stepsAppended');
  const paused = await handlers.pauseRun({ runId }, call);
  expect(paused.state).toBe('paused');
  expect(paused.step).toBeLessThan(300);
  await handlers.checkpointRun({ runId }, call);
  const { checkpoints, summary, gradients } = await handlers.getRun({ runId }, call);
  expect(gradients!.step).toBeGreaterThan(0);
  expect([checkpoints, summary.state, summary.step]).toEqual([[paused.step], 'paused', paused.step]);
  await handlers.resumeRun({ runId }, call);
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  const folder = new RunFolder(lab.home, runId);
  expect(await checkpointBytes(folder, 300)).toEqual(await checkpointBytes(whole.folder, 300));
  await expect(handlers.pauseRun({ runId }, call)).rejects.toThrow(`run ${runId} is not active`);
});

it('the last device that is killed ends the run with device, cause and step named, and the last checkpoint good', async () => {
  const lab = await openLab(home);
  const config = smallConfig({ devices: cpuDevices(1), training: { steps: 100_000 }, checkpoint: { every: 2 } });
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'checkpointWritten', (payload) => (payload as { step: number }).step >= 4);
  const victim = lab.processes.at(-1)!;
  victim.kill();
  const summary = await lab.app.whenEnded(runId);
  expect(summary.state).toBe('failed');
  const folder = new RunFolder(home, runId);
  const last = (await folder.checkpoints()).at(-1)!;
  expect(summary.reason).toMatch(
    new RegExp(
      `^device cpu:0 \\(process ${victim.pid}\\) ended with signal SIGKILL \\(see ${join(home, 'logs/sdp.log')}\\) (at step \\d+|while saving); the last checkpoint is of step ${last}$`,
    ),
  );
  expect(await readFile(join(home, 'logs/sdp.log'), 'utf8')).toMatch(
    new RegExp(` ERROR process ${process.pid}: device cpu:0 \\(process ${victim.pid}\\) ended with signal SIGKILL\n`),
  );
  expect((await readSafetensors(join(folder.checkpointPath(last), 'values.safetensors'))).tensors.size).toBeGreaterThan(
    10,
  );
  for (const { pid } of lab.processes) expect(() => process.kill(pid!, 0)).toThrow();
  expect(
    (await readdir('/dev/shm').catch(() => [])).filter((name) => name.startsWith(`sdp-lab-${process.pid}-`)),
  ).toEqual([]);
});

it('keeps the newest checkpoints only, and leaves no partial ones', async () => {
  const lab = await openLab(home);
  const { folder } = await runToEnd(lab, smallConfig({ checkpoint: { every: 2, keep: 2 } }));
  expect((await readdir(folder.file('checkpoints'))).sort()).toEqual(['step-00000004', 'step-00000006']);
});

it('evaluates at its interval and at the end, by re-estimated statistics after forward masking', async () => {
  const lab = await openLab(home);
  const { folder } = await runToEnd(lab, smallConfig({ evaluation: { every: 4 } }));
  const detail = await lab.app.handlers.getRun({ runId: folder.id }, { signal: AbortSignal.timeout(10_000) });
  expect(detail.evaluations.map(({ step, samples }) => [step, samples])).toEqual([
    [4, 200],
    [6, 200],
  ]);
  const again = await lab.app.evaluate(folder.id);
  expect([again.step, again.loss, again.accuracy]).toEqual([
    6,
    detail.evaluations[1]!.loss,
    detail.evaluations[1]!.accuracy,
  ]);
});

it.each(['safetensors', 'onnx'] as const)('exports %s that agrees with the engine', async (format) => {
  const lab = await openLab(home);
  const { folder } = await runToEnd(lab, smallConfig({}));
  const result = await lab.app.export(folder.id, format, {});
  expect(result.check.samples).toBe(64);
  expect(result.check.maxRelativeError).toBeLessThan(1e-4);
  const written = await readdir(folder.file('exports/step-00000006'));
  expect(written.sort()).toEqual(['labels.txt', `model.${format}`, 'preprocessor_config.json']);
});

it('exports a model that takes pixels and says what it is', async () => {
  const lab = await openLab(home);
  const { folder } = await runToEnd(lab, smallConfig({}));
  const out = join(home, 'pixels');
  const { files, check } = await lab.app.export(folder.id, 'onnx', { out, withPreprocessing: true, license: 'mit' });
  expect(files).toEqual([join(out, 'model.onnx'), join(out, 'labels.txt')]);
  expect(check.maxRelativeError).toBeLessThan(1e-4);
  const { metadata_props } = decodeOnnx(await readFile(files[0]!)) as { metadata_props: object[] };
  expect(metadata_props).toContainEqual({ key: 'class_names', value: '["0","1","2","3","4","5","6","7","8","9"]' });
  expect(metadata_props).toContainEqual({ key: 'license', value: 'mit' });
  await expect(lab.app.export(folder.id, 'safetensors', { withPreprocessing: true })).rejects.toThrow(
    '--with-preprocessing is for models of images in the format onnx only; leave it out',
  );
});

it.each(['safetensors', 'onnx'] as const)(
  'an export of %s that fails leaves the one that was there',
  async (format) => {
    const lab = await openLab(home);
    const { folder } = await runToEnd(lab, smallConfig({}));
    const host = { home, spawnDevice: builtWorker() };
    const prepared = await prepareFromHome(host, await folder.readConfig());
    const from = { kind: 'checkpoint', folder, step: 6, optimizer: false } as const;
    const run = { described: 'small', step: 6, license: undefined };
    const notes = await notesOf(home, prepared, undefined, run);
    const form = onnxFormOf(format, 'images', {});
    const target = {
      format,
      type: 'float32' as const,
      name: 'small',
      step: 6,
      out: folder.file('exports/step-00000006'),
      notes,
      form,
    };
    const fleet = await openFleet(host, prepared, from);
    try {
      const { files } = await exportStore(host, fleet, prepared, target);
      const before = await readFile(files[0]!);
      fleet.writeLogits = (count, _, path) => writeFile(path, new Float32Array(10 * count).fill(7));
      await expect(exportStore(host, fleet, prepared, target)).rejects.toThrow(`the exported file ${files[0]} differs`);
      expect(await readdir(target.out)).toEqual([`model.${format}`]);
      expect((await readFile(files[0]!)).equals(before)).toBe(true);
    } finally {
      await fleet.close();
    }
  },
);

it('refuses a second run while one is active, and a damaged checkpoint at resume', async () => {
  const lab = await openLab(home);
  const config = smallConfig({ training: { steps: 100_000 } });
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'stepsAppended');
  await expect(lab.app.start(config)).rejects.toMatchObject({ code: 'conflict' });
  const { step } = await lab.app.stop(runId);
  const values = join(new RunFolder(home, runId).checkpointPath(step), 'values.safetensors');
  const bytes = await readFile(values);
  await writeFile(values, bytes.subarray(0, bytes.length - 100));
  await lab.app.resume(runId);
  const summary = await lab.app.whenEnded(runId);
  expect(summary.state).toBe('failed');
  expect(summary.reason).toContain(values);
});

/** A run of 8 steps with checkpoints of 2, 4 and 6, as if it had been ended after step 6, in a lab that has just been opened. */
async function cutOffRun() {
  const config = smallConfig({ training: { steps: 8 }, checkpoint: { every: 2, keep: 4 } });
  const { folder } = await runToEnd(await openLab(home), config);
  const end = await checkpointBytes(folder, 8);
  await rm(folder.checkpointPath(8), { recursive: true });
  await withRecord(folder, (record) => record.set({ state: 'stopped', step: 6 }));
  return { lab: await openLab(home), folder, end };
}

/** Changes bytes of a file from the end on, as a bad disk would. */
async function damage(path: string, change: (tail: Buffer) => void): Promise<void> {
  const bytes = await readFile(path);
  change(bytes.subarray(-400));
  await writeFile(path, bytes);
}

it('a resume passes over damaged checkpoints, says so, and ends as if nothing had been', async () => {
  const { lab, folder, end } = await cutOffRun();
  await damage(join(folder.checkpointPath(6), 'optimizer.safetensors'), (tail) => (tail[100]! ^= 4));
  await damage(join(folder.checkpointPath(4), 'values.safetensors'), (tail) => tail.fill(0));
  await lab.app.resume(folder.id);
  const summary = await lab.app.whenEnded(folder.id);
  expect(summary).toMatchObject({ state: 'done', step: 8 });
  expect(summary.warning).toMatch(
    /the run continues from step 2, since .*step-00000006.optimizer\.safetensors is damaged.*step-00000004.values\.safetensors is damaged/,
  );
  expect(await checkpointBytes(folder, 8)).toEqual(end);
  expect((await detailOf(lab, folder)).columns.step).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

it('a resume goes back to the checkpoint that is named, or to the start, and later ones are replaced', async () => {
  const { lab, folder, end } = await cutOffRun();
  await expect(lab.app.resume(folder.id, { checkpoint: 5 })).rejects.toThrow(
    'has no checkpoint of step 5; it has 2, 4, 6',
  );
  await damage(join(folder.checkpointPath(4), 'manifest.json'), (tail) => tail.fill(32));
  await lab.app.resume(folder.id, { checkpoint: 4 });
  expect(await lab.app.whenEnded(folder.id)).toMatchObject({ state: 'failed', step: 4 });
  await lab.app.resume(folder.id, { checkpoint: 2 });
  expect(await lab.app.whenEnded(folder.id)).toMatchObject({ state: 'done', step: 8, warning: '' });
  expect(await checkpointBytes(folder, 8)).toEqual(end);
  expect(await folder.checkpoints()).toEqual([2, 4, 6, 8]);
});

it('a run that is stopped right after it went back goes on from there, not from a later checkpoint', async () => {
  const { lab, folder } = await cutOffRun();
  await lab.app.resume(folder.id, { checkpoint: 2 });
  expect(await lab.app.stop(folder.id)).toMatchObject({ state: 'stopped' });
  const { step } = await folder.readState();
  expect((await folder.checkpoints()).at(-1)).toBe(step);
});

it('an evaluation and an export are of the newest whole checkpoint, and say why', async () => {
  const { lab, folder } = await cutOffRun();
  expect(await lab.app.evaluate(folder.id)).not.toHaveProperty('warning');
  await damage(join(folder.checkpointPath(6), 'values.safetensors'), (tail) => (tail[100]! ^= 4));
  const warning: unknown = expect.stringMatching(
    /^this is of step 4, since \S*step-00000006\Svalues\.safetensors is damaged: its bytes are not those that were written$/,
  );
  expect(await lab.app.evaluate(folder.id)).toMatchObject({ step: 4, warning });
  expect(await lab.app.export(folder.id, 'safetensors', {})).toMatchObject({ step: 4, warning });
  await expect(lab.app.evaluate(folder.id, 6)).rejects.toMatchObject({ code: 'checkpoint' });
});

it('fewer steps are compared with the checkpoint that a resume really goes on from', async () => {
  const { lab, folder } = await cutOffRun();
  const setSteps = (steps: number) =>
    withRecord(folder, (record) =>
      record.changeConfig((config) => ({ ...config, training: { ...config.training, steps } })),
    );
  await setSteps(5);
  await expect(lab.app.resume(folder.id)).rejects.toThrow('training.steps, 5, below the checkpoint of step 6');
  await damage(join(folder.checkpointPath(6), 'optimizer.safetensors'), (tail) => (tail[100]! ^= 4));
  await setSteps(3);
  await expect(lab.app.resume(folder.id)).rejects.toThrow('training.steps, 3, below the checkpoint of step 4');
  await setSteps(5);
  await lab.app.resume(folder.id);
  expect(await lab.app.whenEnded(folder.id)).toMatchObject({ state: 'done', step: 5, steps: 5 });
  expect(await folder.checkpoints()).toEqual([2, 4, 5]);
});

it('a run without a checkpoint starts again from step 0', async () => {
  const { lab, folder, end } = await cutOffRun();
  for (const step of [2, 4, 6]) await rm(folder.checkpointPath(step), { recursive: true });
  await lab.app.resume(folder.id);
  const summary = await lab.app.whenEnded(folder.id);
  expect(summary).toMatchObject({ state: 'done', step: 8 });
  expect(summary.warning).toBe('it had no checkpoint, and started again from step 0');
  expect(await checkpointBytes(folder, 8)).toEqual(end);
});

/** Uses a disk up to its last byte; returns what gives the room back. */
async function fillUp(disk: string): Promise<() => Promise<void>> {
  const path = join(disk, 'filler');
  const file = await open(path, 'w');
  for (let size = 2 ** 20; size > 0; size = size === 1 ? 0 : size >> 1)
    while (await file.write(Buffer.alloc(size)).catch(() => undefined));
  await file.close();
  return () => rm(path);
}

it('a disk that is full for two seconds costs neither the run nor its metrics, also where it stops meanwhile', async (context) => {
  const mounted = await withSmallDisk('size=40m', async (disk) => {
    await cp(join(home, 'datasets'), join(disk, 'datasets'), { recursive: true });
    const lab = await openLab(disk);
    const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 }, evaluation: { every: 20 } }));
    const folder = new RunFolder(disk, runId);
    await nextEvent(lab, 'stepsAppended');
    const empty = await fillUp(disk);
    await nextEvent(lab, 'evaluationAppended');
    await nextEvent(lab, 'evaluationAppended');
    const { handlers } = lab.app;
    await handlers.checkpointRun({ runId }, { signal: AbortSignal.timeout(20_000) });
    const during = (await detailOf(lab, folder)).summary;
    expect(isActive(during.state)).toBe(true);
    expect(during.warning).toMatch(/the checkpoint of step \d+ could not be written: .*full/);
    const stopping = lab.app.stop(runId);
    await delay(2000);
    await empty();
    const { state, step, warning } = await stopping;
    expect([state, warning]).toEqual(['stopped', '']);
    expect(await folder.checkpoints()).toEqual([step]);
    const { columns, evaluations } = await detailOf(await openLab(disk), folder);
    expect(columns.step).toEqual(Array.from({ length: step }, (_, index) => index));
    expect(evaluations.length).toBe(Math.floor(step / 20));
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});

it('a checkpoint is written by time', async () => {
  const lab = await openLab(home);
  const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 }, checkpoint: { minutes: 0.01 } }));
  await nextEvent(lab, 'checkpointWritten');
  await nextEvent(lab, 'checkpointWritten');
  expect(await lab.app.stop(runId)).toMatchObject({ state: 'stopped' });
});

it('parameters are saved whatever else fails', async () => {
  const lab = await openLab(home);
  const runId = await lab.app.start(smallConfig({ devices: cpuDevices(1), training: { steps: 40 } }));
  await nextEvent(lab, 'runChanged', (payload) => (payload as { summary: RunSummary }).summary.state === 'evaluating');
  lab.processes.at(-1)!.kill();
  const { state, reason } = await lab.app.whenEnded(runId);
  expect([state, reason]).toEqual([
    'failed',
    expect.stringMatching(/SIGKILL \(see \S+sdp\.log\) while evaluating; the last checkpoint is of step 40$/),
  ]);
});

it.each([
  {
    what: 'loss',
    training: { learningRate: 1e30 },
    says: /^the loss of worker \d is not finite in step [2-9] \(learning rate 1e\+30\); try /,
  },
  {
    what: 'parameter',
    training: { learningRate: 1e38, momentum: 0, weightDecay: 10, clipGlobalNorm: 1 },
    says: /^\S+ or its optimizer state would not be finite in step 1 \(learning rate 1e\+38\); try /,
  },
])(
  'a $what that is not finite ends the run before that step, for any number of devices',
  async ({ training, says }) => {
    const ends = [];
    for (const devices of [1, 2, 4]) {
      const lab = await openLab(home);
      const config = smallConfig({
        devices: cpuDevices(devices),
        training: { steps: 6, ...training },
        checkpoint: { every: 4, keep: 1 },
      });
      const { summary, folder } = await runToEnd(lab, config);
      expect([summary.state, summary.reason]).toEqual(['failed', expect.stringMatching(says)]);
      expect(summary.reason).toContain(`; the last checkpoint is of step ${summary.step}`);
      expect(await folder.checkpoints()).toEqual([summary.step]);
      const { values, optimizer } = await checkpointBytes(folder, summary.step);
      for (const file of ['values', 'optimizer']) {
        const { tensors } = await readSafetensors(join(folder.checkpointPath(summary.step), `${file}.safetensors`));
        for (const tensor of tensors.values()) expect(asFloat32(tensor).every(Number.isFinite)).toBe(true);
      }
      ends.push({ step: summary.step, values, optimizer });
    }
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
  },
);

it('what was there when a run diverged stays, and the run goes on from it as its reason says', async () => {
  const lab = await openLab(home);
  const config = smallConfig({ training: { steps: 8 }, checkpoint: { every: 2, keep: 1 } });
  const { folder } = await runToEnd(lab, { ...config, training: { ...config.training, steps: 2 } });
  const set = (training: Partial<RunConfig['training']>) =>
    withRecord(folder, (record) =>
      record.changeConfig((now) => ({ ...now, training: { ...now.training, ...training } })),
    );
  const goOn = async (checkpoint?: number) => {
    await lab.app.resume(folder.id, { acceptChanges: true, checkpoint });
    return await lab.app.whenEnded(folder.id);
  };
  await withRecord(folder, (record) => record.set({ state: 'interrupted' }));
  await set({ steps: 8, learningRate: 1e30 });
  const { step, state, reason } = await goOn();
  expect([step, state]).toEqual([3, 'failed']);
  expect(await folder.checkpoints()).toEqual([2, 3]);
  expect(reason).toContain(
    `in ${folder.file('config.yaml')} and continue with "sdp resume ${folder.id} --accept-changes"`,
  );
  expect(await goOn()).toMatchObject({ state: 'failed', step: 3 });
  expect(await folder.checkpoints()).toEqual([2, 3]);
  await set({ learningRate: 0.05 });
  expect(await goOn(2)).toMatchObject({ state: 'done', step: 8, reason: '' });
  expect(await folder.checkpoints()).toEqual([8]);
});

it('an evaluation whose loss is not finite is told of, and ends nothing', async () => {
  const lab = await openLab(home);
  const { summary, folder } = await runToEnd(lab, smallConfig({ training: { steps: 1, learningRate: 1e30 } }));
  expect(summary).toMatchObject({ state: 'done', step: 1 });
  expect(summary.warning).toBe('the loss of the full network at step 1 is not finite');
  expect((await detailOf(lab, folder)).evaluations).toMatchObject([{ step: 1, loss: null }]);
});

it('tells an unknown dataset before any run folder exists', async () => {
  const lab = await openLab(home);
  const before = await readdir(join(home, 'runs'));
  const small = smallConfig({});
  const config = { ...small, data: { ...small.data, dataset: 'nothing' } };
  await expect(lab.app.start(config)).rejects.toMatchObject({
    code: 'data',
    message: expect.stringContaining('"nothing"') as string,
  });
  expect(await readdir(join(home, 'runs'))).toEqual(before);
});

it('a run with a plan from a file keeps a copy of it, and resumes by that', async () => {
  const lab = await openLab(home);
  const plan = join(home, 'who.json');
  const units = [
    { id: 'layer1.0', holders: [0, 1, 2] },
    { id: 'layer2.0', holders: [3] },
  ];
  await writeFile(plan, JSON.stringify({ units }));
  const runId = await lab.app.start(smallConfig({ subnetworks: { plan }, training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  await lab.app.stop(runId);
  await rm(plan);
  const folder = new RunFolder(home, runId);
  expect(await folder.readPlan()).toMatchObject({ units, assignment: 'file', coverage: 2, coverageRange: [1, 3] });
  expect((await folder.readConfig()).subnetworks.plan).toBe(folder.file('units.yaml'));
  await lab.app.resume(runId);
  await nextEvent(lab, 'stepsAppended');
  expect(await lab.app.stop(runId)).toMatchObject({ state: 'stopped' });
});

it('a run that a device has no room for is refused at start and at resume, unless it is forced', async () => {
  const lab = await openLab(home);
  const devices = [{ id: 'cpu:0', memory: '64MiB' }];
  const config = smallConfig({ devices, training: { steps: 100_000 } });
  const refusal = {
    code: 'configuration',
    key: 'devices',
    message: expect.stringMatching(
      /^cpu:0 needs .* of memory and has 64\.0 MiB; with training\.accumulation=/,
    ) as string,
  };
  const before = await readdir(join(home, 'runs'));
  await expect(lab.app.start(config)).rejects.toMatchObject(refusal);
  expect(await readdir(join(home, 'runs'))).toEqual(before);
  const runId = await lab.app.start(config, { force: true });
  await nextEvent(lab, 'stepsAppended');
  await lab.app.stop(runId);
  await expect(lab.app.resume(runId)).rejects.toMatchObject(refusal);
  await lab.app.resume(runId, { force: true });
  expect(await lab.app.stop(runId)).toMatchObject({ state: 'stopped' });
});
