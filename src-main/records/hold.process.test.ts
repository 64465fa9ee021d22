// One run at a time in a data folder, whichever app starts it, and one app at a time at a run.

import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { UserError } from '../contract/errors.ts';
import { cliPath, newHome, nextEvent, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

let home: string;
let lab: TestLab;
let other: TestLab;
beforeAll(async () => {
  home = await newHome();
  lab = await openLab(home);
  other = await openLab(home);
});
afterEach(async () => {
  // Where a test has failed, the next one begins with none active all the same.
  for (const { app } of [lab, other]) {
    const { runs } = await app.handlers.snapshot({}, call);
    await Promise.all(runs.map(({ id }) => app.stop(id).catch(() => undefined)));
  }
});
afterAll(async () => {
  await Promise.all([lab.close(), other.close()]);
  await rm(home, { recursive: true, force: true });
});
const call = { signal: new AbortController().signal };
const endless = smallConfig({ training: { steps: 100_000 } });
const runFolders = () => readdir(join(home, 'runs')).catch(() => []);

/** Sentences of those that failed. */
function refusals(settled: PromiseSettledResult<unknown>[]): string[] {
  return settled.flatMap((one) => (one.status === 'rejected' ? [(one.reason as UserError).message] : []));
}

it('of five starts at once in two apps, one trains, and one folder is made', async () => {
  const apps = [lab, other, lab, other, lab];
  const started = await Promise.allSettled(apps.map(({ app }) => app.start(endless)));
  const runId = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  expect(refusals(started)).toHaveLength(4);
  expect(await runFolders()).toEqual(runId);
  const refused = `run ${runId[0]!} is active in another process; stop it before starting another`;
  const mine = apps[started.findIndex(({ status }) => status === 'fulfilled')]!;
  const others = mine === lab ? other : lab;
  await expect(others.app.start(endless)).rejects.toMatchObject({ code: 'conflict', message: refused });
  await mine.app.stop(runId[0]!);
});

it('of two resumes at once in two apps, one goes on', async () => {
  const runId = await lab.app.start(endless);
  await nextEvent(lab, 'stepsAppended');
  await lab.app.stop(runId);
  const resumed = await Promise.allSettled([lab, other].map(({ app }) => app.resume(runId)));
  expect(refusals(resumed)).toEqual([expect.stringMatching(/ is active |another run is being started/) as string]);
  await [lab, other][resumed.findIndex(({ status }) => status === 'fulfilled')]!.app.stop(runId);
});

it('two commands that resume a run at once: one trains, the other is refused', async () => {
  const runId = await lab.app.start(smallConfig({ training: { steps: 60 } }));
  await nextEvent(lab, 'stepsAppended');
  const { step } = await lab.app.stop(runId);
  const resume = async () => {
    const env = { ...process.env, SDP_HOME: home };
    const child = spawn(process.execPath, [cliPath, 'resume', runId, '--json'], { env });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const steps: number[] = [];
    for await (const line of createInterface(child.stdout)) {
      const event = JSON.parse(line) as { event: string; columns?: { step: number[] } };
      if (event.event === 'stepsAppended') steps.push(...event.columns!.step);
    }
    return { code: await ended, steps };
  };
  const both = await Promise.all([resume(), resume()]);
  const trained = both.flatMap(({ steps }) => steps);
  expect(trained).toEqual(Array.from({ length: 60 - step }, (_, index) => step + index));
  expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
});

it.each([
  ['is that of another process now', process.ppid],
  ['is that of the app itself, as in a container', process.pid],
])('a run whose process is gone is interrupted where its number %s', async (_, pid) => {
  const runId = await lab.app.start(smallConfig({}));
  const summary = await lab.app.whenEnded(runId);
  const id = `left-${pid}`;
  const folder = join(home, 'runs', id);
  await mkdir(folder);
  await writeFile(join(folder, 'config.yaml'), await readFile(join(home, 'runs', runId, 'config.yaml')));
  const state = { summary: { ...summary, id, state: 'training' }, pid, exports: [] };
  await writeFile(join(folder, 'state.json'), JSON.stringify(state));
  const { runs } = await lab.app.handlers.snapshot({}, call);
  expect(runs.find((run) => run.id === id)).toMatchObject({ state: 'interrupted' });
  await lab.app.handlers.deleteRun({ runId: id }, call);
});

it('an export of a run that another app trains leaves the run to that app', async () => {
  const { pauseRun, resumeRun, checkpointRun } = lab.app.handlers;
  const runId = await lab.app.start(endless);
  await nextEvent(lab, 'stepsAppended');
  await pauseRun({ runId }, call);
  await checkpointRun({ runId }, call);
  const onDisk = () => readFile(join(home, 'runs', runId, 'state.json'), 'utf8');
  await expect.poll(onDisk).toContain('"state":"paused"');
  const stored = await onDisk();
  const exported = await other.app.export(runId, 'safetensors', {});
  expect(await onDisk()).toBe(stored);
  const { deleteRun, renameRun } = other.app.handlers;
  const refused = { code: 'conflict', message: `run ${runId} is active in another process` };
  await expect(deleteRun({ runId }, call)).rejects.toMatchObject(refused);
  await expect(renameRun({ runId, name: 'mine' }, call)).rejects.toMatchObject(refused);
  await resumeRun({ runId }, call);
  await lab.app.stop(runId);
  expect((await other.app.handlers.getRun({ runId }, call)).exports).toEqual([exported]);
  await deleteRun({ runId }, call);
});
