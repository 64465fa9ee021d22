// Planning beside the process that asks for it: it answers meanwhile, and what is planned can be cancelled and is bounded.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRunConfig } from '../contract/runConfig.ts';
import { datasetSource, getDataset } from '../data/catalogue.ts';
import { noLoss } from '../contract/run.ts';
import { EventHub } from '../transport/events.ts';
import { Run } from '../run/run.ts';
import { RunFolder } from '../records/runFolder.ts';
import { RunRecord } from '../records/runRecord.ts';
import { prepareFromHome } from '../fleet/openFleet.ts';
import { builtWorker, cliPath, newHome, openLab, smallConfig, type TestLab } from '../testing/lab.ts';
import { prepareApart, type PlanSources } from './planner.ts';

let lab: TestLab;
beforeAll(async () => (lab = await openLab(await newHome())));
afterAll(async () => {
  await lab.close();
  await rm(lab.home, { recursive: true });
});

/** Minutes of planning. */
const vast = parseRunConfig({
  ...smallConfig({}),
  model: { family: 'resnet', layers: [256, 256, 256, 256], width: 4 },
  subnetworks: { workers: 250, coverage: 125, assignment: 'cost' },
  training: { batch: 250 },
});

const sourcesOf = async (config: typeof vast): Promise<PlanSources> => {
  const source = (split: 'train' | 'test') => datasetSource(lab.home, 'digits', split);
  const sources = { train: await source('train'), test: await source('test') };
  const machine = { cores: 2, memoryBytes: 2 ** 33, accelerators: { devices: [], missing: [] } };
  return [config, await getDataset(lab.home, 'digits'), sources, machine];
};

test('while vast plans are made the app answers; they end when they are cancelled, and the next is planned', async () => {
  const { handlers } = lab.app;
  const cancel = new AbortController();
  let settled = 0;
  const vastOnes = [1, 2, 3].map(async () => {
    const error = await Promise.resolve(handlers.planRun({ config: vast }, { signal: cancel.signal })).catch(
      (problem: unknown) => problem,
    );
    settled += 1;
    return error;
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const snapshot = await handlers.snapshot({}, { signal: new AbortController().signal });
  expect([snapshot.datasets.length, settled]).toEqual([1, 0]);
  cancel.abort();
  for (const error of await Promise.all(vastOnes)) expect(error).toMatchObject({ code: 'cancelled' });
  expect(await lab.app.plan(smallConfig({}))).toMatchObject({ numWorkers: 4, fits: true });
});

test('what was planned is planned once, for the form, the start and the export; changed samples and files are planned anew', async () => {
  const config = smallConfig({ training: { steps: 2 } });
  const host = { home: lab.home, spawnDevice: builtWorker() };
  const plan = await lab.app.plan(config);
  expect(await lab.app.plan({ ...config, name: 'other' })).toBe(plan);
  const runId = await lab.app.start(config);
  expect((await lab.app.whenEnded(runId)).state).toBe('done');
  await lab.app.export(runId, 'safetensors', {});
  const prepared = await prepareFromHome(host, await new RunFolder(lab.home, runId).readConfig());
  expect(prepared.plan).toBe(plan);
  await lab.app.handlers.deleteRun({ runId }, { signal: new AbortController().signal });

  const [, dataset, sources, machine] = await sourcesOf(config);
  expect(await prepareApart([config, dataset, sources, machine])).not.toBe(prepared);
  const changed = { ...dataset, fingerprint: 'of other samples' };
  const anew = await prepareApart([config, changed, sources, machine]);
  expect(anew.fingerprint).toBe('of other samples');

  const file = join(lab.home, 'units.json');
  await writeFile(file, JSON.stringify({ units: plan.units }));
  const explicit = parseRunConfig({ ...config, subnetworks: { ...config.subnetworks, plan: file } });
  const read = await lab.app.plan(explicit);
  expect(await lab.app.plan(explicit)).toBe(read);
  const all = plan.units.map((unit) => ({ ...unit, holders: [0, 1, 2, 3] }));
  await writeFile(file, JSON.stringify({ units: all }));
  expect((await lab.app.plan(explicit)).coverage).toBe(4);
});

test('a plan that takes too long, or too much memory, is refused with what to do', async () => {
  const refused = async (minutes: number, mebibytes: number) =>
    await prepareApart(await sourcesOf(vast), undefined, { minutes, mebibytes }).catch((error: unknown) => error);
  expect(await refused(0.02, 2048)).toMatchObject({
    code: 'configuration',
    key: 'model',
    message: 'planning this run takes longer than 0.02 minutes; choose fewer layers, units or workers',
  });
  expect(await refused(15, 48)).toMatchObject({
    code: 'configuration',
    key: 'model',
    message: 'planning this run takes more than 48 MiB of memory; choose fewer layers, units or workers',
  });
}, 120_000);

test('what planning refuses has its key, also from a file that says who holds what', async () => {
  const few = smallConfig({ training: { batch: 1004 } });
  await expect(lab.app.plan(few)).rejects.toMatchObject({ code: 'configuration', key: 'training.batch' });
  const many = { ...smallConfig({ subnetworks: { granularity: 'neuron' } }), model: { ...vast.model, width: 4096 } };
  await expect(lab.app.plan(parseRunConfig(many))).rejects.toMatchObject({
    key: 'subnetworks.granularity',
    message:
      'subnetworks.granularity neuron makes 15728640 units, which with 2 holders each are more than the 4194304 that can be planned; choose block granularity, fewer units or lower coverage',
  });
  const missing = smallConfig({ subnetworks: { plan: join(lab.home, 'none.json') } });
  await expect(lab.app.plan(missing)).rejects.toMatchObject({ code: 'configuration', key: 'subnetworks.plan' });
});

test('a start that is being planned ends when the app closes, and leaves no run', async () => {
  const other = await openLab(lab.home);
  const started = other.app.start(vast).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await other.close();
  expect(await started).toMatchObject({ code: 'cancelled' });
  const { runs } = await lab.app.handlers.snapshot({}, { signal: new AbortController().signal });
  expect(runs).toEqual([]);
});

test('a run that is stopped while it is planned ends before its plan is made', async () => {
  const begun = {
    name: 'vast',
    state: 'preparing' as const,
    reason: '',
    step: 0,
    steps: 6,
    createdAt: new Date().toISOString(),
    accuracy: null,
    perplexity: null,
    curve: noLoss,
    dataset: 'digits',
    fingerprint: '',
    warning: '',
  };
  const record = await RunRecord.create(lab.home, vast, await lab.app.plan(smallConfig({})), begun);
  const host = { home: lab.home, spawnDevice: builtWorker() };
  const run = new Run(host, new EventHub(), record, vast, { kind: 'fresh', seed: 0 });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(run.summary.state).toBe('preparing');
  await run.stop();
  expect(await run.folder.readState()).toMatchObject({
    state: 'stopped',
    reason: 'stopped on request; while it was planned',
    step: 0,
  });
});

test.skipIf(process.platform === 'win32').each(['plan', 'train'])(
  'Ctrl-C ends "sdp %s" while it plans, with nothing left',
  async (command) => {
    const file = join(lab.home, `${command}.json`);
    await writeFile(file, JSON.stringify(vast));
    const env = { ...process.env, SDP_HOME: lab.home };
    const child = spawn(process.execPath, [cliPath, command, file], { env, stdio: 'ignore' });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([command === 'plan' ? 130 : 1, null]);
    const { runs } = await lab.app.handlers.snapshot({}, { signal: new AbortController().signal });
    expect(runs.filter(({ name }) => name !== 'vast')).toEqual([]);
  },
);
