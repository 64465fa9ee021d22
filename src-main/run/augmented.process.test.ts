// Runs over changed and mixed images, and over images that the dataset keeps as files.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { cpuDevices, importDigits, newHome, openLab, smallConfig, type TestLab } from '../testing/lab.ts';
import { RunFolder } from '../records/runFolder.ts';

let lab: TestLab;
beforeAll(async () => {
  const home = await newHome();
  await importDigits(home, 'files', { storage: 'encoded' });
  lab = await openLab(home);
});
afterAll(async () => {
  await lab.close();
  await rm(lab.home, { recursive: true, force: true });
});

function configOf(data: object, overrides: Parameters<typeof smallConfig>[0] = {}): RunConfig {
  return parseRunConfig({ ...smallConfig(overrides), data });
}

const bytesOf = (runId: string, step: number) =>
  readFile(join(new RunFolder(lab.home, runId).checkpointPath(step), 'values.safetensors'));

/** Parameters and accuracy at the end. */
async function ran(config: RunConfig) {
  const runId = await lab.app.start(config);
  const { state, reason, step, accuracy } = await lab.app.whenEnded(runId);
  expect([state, reason]).toEqual(['done', '']);
  return { bytes: await bytesOf(runId, step), accuracy };
}

/** Resolves when a run has made steps. */
const stepped = () =>
  new Promise<void>((resolve) => {
    const off = lab.app.events.subscribe(({ name }) => {
      if (name !== 'stepsAppended') return;
      off();
      resolve();
    });
  });

it('images kept as files train like the same images as an array', async () => {
  const [array, files] = [await ran(configOf({ dataset: 'digits' })), await ran(configOf({ dataset: 'files' }))];
  expect(files.bytes.equals(array.bytes)).toBe(true);
  expect(files.accuracy).toBe(array.accuracy);
});

const everything = {
  resizedCrop: 0.4,
  flip: 0.5,
  brightness: 0.3,
  contrast: 0.3,
  randAugment: 2,
  mixup: 0.2,
  cutmix: 1,
  labelSmoothing: 0.1,
};

it.each([
  { dataset: 'digits', augmentation: { preset: 'cifar' } },
  { dataset: 'digits', augmentation: everything },
  { dataset: 'files', augmentation: { ...everything, size: 20, evaluationResize: 24 } },
])('$dataset with %o is bit-equal for 1, 2 and 4 device processes', async (data) => {
  const results = [];
  for (const count of [1, 2, 4]) results.push(await ran(configOf(data, { devices: cpuDevices(count) })));
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  const plain = await ran(configOf({ dataset: data.dataset }));
  expect(plain.bytes.equals(results[0]!.bytes)).toBe(false);
});

it('stopped and resumed with augmentation, a run ends with the very same parameters', async () => {
  const config = configOf({ dataset: 'files', augmentation: everything }, { training: { steps: 80 } });
  const whole = await ran(config);
  const runId = await lab.app.start(config);
  await stepped();
  const stopped = await lab.app.stop(runId);
  expect(stopped.state).toBe('stopped');
  expect(stopped.step).toBeLessThan(80);
  await lab.app.resume(runId);
  expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'done', step: 80 });
  expect((await bytesOf(runId, 80)).equals(whole.bytes)).toBe(true);
});

it('exports what was trained at another size than that of the dataset', async () => {
  const data = { dataset: 'files', augmentation: { preset: 'cifar', size: 20, evaluationResize: 24 } };
  const runId = await lab.app.start(configOf(data));
  expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'done' });
  for (const format of ['onnx', 'safetensors'] as const) {
    const { check } = await lab.app.export(runId, format, {});
    expect(check.maxRelativeError).toBeLessThan(1e-4);
  }
});

it('a run that goes on with another dataset of the name says so', async () => {
  await importDigits(lab.home, 'changing');
  const runId = await lab.app.start(configOf({ dataset: 'changing' }, { training: { steps: 100_000 } }));
  await stepped();
  expect(await lab.app.stop(runId)).toMatchObject({ state: 'stopped', warning: '' });
  await rm(join(lab.home, 'datasets/changing'), { recursive: true });
  await importDigits(lab.home, 'changing', { size: 28, storage: 'encoded' });
  await lab.app.resume(runId);
  await stepped();
  const { warning } = await lab.app.stop(runId);
  expect(warning).toMatch(/^dataset changing has changed since the run's first \d+ steps/);
  expect((await new RunFolder(lab.home, runId).lastLogLines(20)).join('\n')).toContain(warning);
});
