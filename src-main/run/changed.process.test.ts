// What was changed by hand between a stop and a resume is told.

import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { RunConfig } from '../contract/runConfig.ts';
import { newHome, nextEvent, openLab, smallConfig, type TestLab } from '../testing/lab.ts';
import { RunFolder } from '../records/runFolder.ts';

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

async function stoppedRun(): Promise<{ folder: RunFolder; step: number }> {
  const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  const { step } = await lab.app.stop(runId);
  return { folder: new RunFolder(home, runId), step };
}

async function edit(folder: RunFolder, change: (training: RunConfig['training']) => void): Promise<void> {
  const config = parse(await readFile(folder.file('config.yaml'), 'utf8')) as RunConfig;
  change(config.training);
  await writeFile(folder.file('config.yaml'), stringify(config));
}

it('a configuration that was edited is named at resume, and goes on where that is accepted', async () => {
  const { folder, step } = await stoppedRun();
  await edit(folder, (training) => {
    training.learningRate = 0.01;
    training.seed = 5;
  });
  const named = 'training.learningRate from 0.05 to 0.01; training.seed from 0 to 5';
  await expect(lab.app.resume(folder.id)).rejects.toMatchObject({
    code: 'configuration',
    message: `the configuration of run ${folder.id} was changed in ways that change its results: ${named}; undo that in ${folder.file('config.yaml')}, or continue with "sdp resume ${folder.id} --accept-changes"`,
  });
  await lab.app.resume(folder.id, { acceptChanges: true });
  const { warning } = await lab.app.stop(folder.id);
  expect(warning).toBe(`from step ${step} on the run has another configuration: ${named}`);
  expect((await folder.lastLogLines(20)).join('\n')).toContain(`warning: ${warning}`);
  await lab.app.resume(folder.id);
  await lab.app.stop(folder.id);
});

it('steps below the checkpoint are named at resume', async () => {
  const { folder, step } = await stoppedRun();
  await edit(folder, (training) => (training.steps = 1));
  await expect(lab.app.resume(folder.id)).rejects.toMatchObject({
    code: 'configuration',
    message: expect.stringContaining(`training.steps, 1, below the checkpoint of step ${step}`) as string,
  });
  await lab.app.resume(folder.id, { acceptChanges: true });
  expect(await lab.app.whenEnded(folder.id)).toMatchObject({ state: 'done', step, steps: 1 });
});

it('more steps of a constant schedule are trained without a question', async () => {
  const { folder } = await stoppedRun();
  await edit(folder, (training) => (training.steps = 200_000));
  expect(await lab.app.resume(folder.id)).toMatchObject({ steps: 200_000 });
  await lab.app.stop(folder.id);
});
