// A dataset whose bytes change at equal size is told of by everything that goes on with a run.

import { readFile, rm, utimes, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
const call = { signal: AbortSignal.timeout(90_000) };
const images = () => join(home, 'datasets/digits/test/images.npy');

/** Another value of the last pixel; the file looks as old as before. */
async function changeByte(): Promise<void> {
  const { atime, mtime } = await stat(images());
  const bytes = await readFile(images());
  bytes[bytes.length - 1]! ^= 0xff;
  await writeFile(images(), bytes);
  await utimes(images(), atime, mtime);
}

it('a byte that changed is told of at resume, evaluation, export and Try, and is not once it is back', async () => {
  const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  const { step, warning } = await lab.app.stop(runId);
  expect(warning).toBe('');
  expect(await lab.app.evaluate(runId)).not.toHaveProperty('warning');

  await changeByte();
  const sentence = `dataset digits has changed since run ${runId} was trained: these are other samples`;
  expect(await lab.app.evaluate(runId)).toMatchObject({ step, warning: sentence });
  expect(await lab.app.export(runId, 'onnx', {})).toMatchObject({ warning: sentence });
  expect(await lab.app.handlers.openPlayground({ runId }, call)).toMatchObject({ warning: sentence });

  await changeByte();
  expect(await lab.app.evaluate(runId)).not.toHaveProperty('warning');

  await changeByte();
  const told = nextEvent(
    lab,
    'runChanged',
    (payload) => (payload as { summary: { warning: string } }).summary.warning !== '',
  );
  await lab.app.resume(runId);
  await told;
  const resumed = `dataset digits has changed since the run's first ${step} steps: they were trained on other samples`;
  expect(await lab.app.stop(runId)).toMatchObject({ warning: resumed });
  expect((await new RunFolder(home, runId).lastLogLines(50)).join('\n')).toContain(`warning: ${resumed}`);
});
