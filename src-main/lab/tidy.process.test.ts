import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newHome, nextEvent, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

let home: string;
let lab: TestLab;
beforeAll(async () => {
  home = await newHome();
  lab = await openLab(home);
});
afterAll(async () => {
  await lab.close();
  await rm(home, { recursive: true, force: true });
});
const call = { signal: new AbortController().signal };

it('a run is renamed while it trains and after another start of the app, and its steps go on', async () => {
  const { renameRun, pauseRun, resumeRun, getRun } = lab.app.handlers;
  const runId = await lab.app.start(smallConfig({ training: { steps: 40 } }));
  await nextEvent(lab, 'stepsAppended');
  await pauseRun({ runId }, call);
  expect(await renameRun({ runId, name: 'second' }, call)).toMatchObject({ name: 'second', state: 'paused' });
  expect((await getRun({ runId }, call)).config.name).toBe('second');
  await resumeRun({ runId }, call);
  expect(await lab.app.whenEnded(runId)).toMatchObject({ name: 'second', state: 'done', step: 40 });

  const later = await openLab(home);
  await later.app.handlers.renameRun({ runId, name: 'third' }, call);
  const { summary, config } = await later.app.handlers.getRun({ runId }, call);
  expect([summary.name, config.name, summary.step]).toEqual(['third', 'third', 40]);
  await later.close();
});

it('a run is deleted with all that is in its folder, once it has ended and is not held by another process', async () => {
  const { deleteRun, exportRun, openPlayground, snapshot } = lab.app.handlers;
  const runId = await lab.app.start(smallConfig({ training: { steps: 200 } }));
  await nextEvent(lab, 'stepsAppended');
  await expect(deleteRun({ runId }, call)).rejects.toThrow(`run ${runId} is active; stop it first`);
  await lab.app.stop(runId);
  await exportRun({ runId, format: 'onnx' }, call);
  await openPlayground({ runId }, call);
  const removed = nextEvent(lab, 'runRemoved');
  await deleteRun({ runId }, call);
  await removed;
  expect((await snapshot({}, call)).runs.map(({ id }) => id)).not.toContain(runId);
  const names = await readdir(join(home, 'runs'));
  expect(names.filter((name) => name.includes(runId))).toEqual([]);
  await expect(deleteRun({ runId }, call)).rejects.toThrow(`there is no run "${runId}"`);
});

it('what a process left that was killed while it replaced a file of the run goes when the run goes on', async () => {
  const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  await lab.app.stop(runId);
  const folder = join(home, 'runs', runId);
  await writeFile(join(folder, 'state.json.partial-0123456789ab'), '{"summ');
  await lab.app.resume(runId);
  await lab.app.stop(runId);
  expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
});

it('what a process left that was killed while it made or deleted a run goes at the next start', async () => {
  const runs = join(home, 'runs');
  for (const name of ['.new-20261128-101010-a', '.deleted-20261128-101010-b'])
    await mkdir(join(runs, name, 'checkpoints'), { recursive: true });
  const runId = await lab.app.start(smallConfig({}));
  expect((await readdir(runs)).filter((name) => name.startsWith('.'))).toEqual([]);
  await lab.app.whenEnded(runId);
});

it('the state of another run is not believed', async () => {
  const runId = await lab.app.start(smallConfig({}));
  await lab.app.whenEnded(runId);
  const path = join(home, 'runs', runId, 'state.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace(runId, 'another'));
  const later = await openLab(home);
  const { damagedRuns } = await later.app.handlers.snapshot({}, call);
  expect(damagedRuns).toMatchObject([
    { id: runId, problem: expect.stringContaining(`state.json: summary.id: must be ${runId}`) as string },
  ]);
  await later.app.handlers.deleteRun({ runId }, call);
  await later.close();
});

it('a damaged run is told of and can be deleted, and a folder that is no run is left alone', async () => {
  const { deleteRun, getRun, resumeRun, snapshot } = lab.app.handlers;
  const runs = join(home, 'runs');
  await Promise.all(['cut', 'odd', 'bare', 'other'].map((id) => mkdir(join(runs, id))));
  await writeFile(join(runs, 'cut/state.json'), '{"summary":');
  await writeFile(join(runs, 'odd/state.json'), '{}');
  await writeFile(join(runs, 'bare/config.yaml'), 'name: bare');
  await writeFile(join(runs, 'other/notes.txt'), 'not a run');
  const told = (id: string, problem: string) =>
    `run ${id} is damaged: state.json${problem}; delete it, or mend its folder ${join(runs, id)}`;
  const problems = {
    bare: told('bare', ' cannot be read (ENOENT)'),
    cut: told('cut', ' is not JSON'),
    odd: told('odd', ': summary is missing'),
  };
  const listed = async () => (await snapshot({}, call)).damagedRuns;
  expect(await listed()).toEqual(Object.entries(problems).map(([id, problem]) => ({ id, problem })));
  for (const [runId, problem] of Object.entries(problems)) {
    await expect(getRun({ runId }, call)).rejects.toThrow(problem);
    await expect(resumeRun({ runId }, call)).rejects.toThrow(problem);
    await deleteRun({ runId }, call);
  }
  expect(await listed()).toEqual([]);
  await expect(deleteRun({ runId: 'other' }, call)).rejects.toThrow('there is no run "other"');
  expect(await readdir(runs)).toContain('other');
});
