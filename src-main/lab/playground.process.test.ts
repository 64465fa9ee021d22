import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newHome, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

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
const call = { signal: AbortSignal.timeout(60_000) };

it('a checkpoint names the digits that it was shown, in a process of its own that ends with the app', async () => {
  const { openPlayground, tryImage, tryTokens, datasetPage } = lab.app.handlers;
  const training = { steps: 150, optimizer: 'adamw' as const, learningRate: 0.01 };
  const runId = await lab.app.start(smallConfig({ subnetworks: { coverage: 4 }, training }));
  await lab.app.whenEnded(runId);
  const model = await openPlayground({ runId }, call);
  expect(model).toMatchObject({ kind: 'images', step: 150, sample: [1, 28, 28] });
  const page = await datasetPage({ name: 'digits', split: 'train', from: 0, count: 20 }, call);
  if (page.kind !== 'images') throw new Error('not images');
  const right = [];
  for (const { pixels, label } of page.images) {
    const { classes } = await tryImage({ runId, step: 150, pixels }, call);
    expect(classes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1);
    if (classes[0]!.label === label) right.push(label);
  }
  expect(right.length).toBeGreaterThan(14);
  const wrong = tryImage({ runId, step: 150, pixels: 'AAAA' }, call);
  await expect(wrong).rejects.toThrow('an image of 784 bytes was expected, got 3');
  const text = tryTokens({ runId, step: 150, tokens: [1], count: 1, temperature: 0, seed: 0 }, call);
  await expect(text).rejects.toThrow('the model of this run does not take tokens');
  await expect(openPlayground({ runId, step: 7 }, call)).rejects.toThrow('has no checkpoint of step 7');

  lab.processes.at(-1)!.kill();
  await lab.processes.at(-1)!.exited;
  const before = lab.processes.length;
  const opening = Promise.resolve(openPlayground({ runId }, call)).catch((error: unknown) => error);
  await expect.poll(() => lab.processes.length).toBe(before + 1);
  lab.processes.at(-1)!.kill();
  const log = join(lab.home, 'logs/sdp.log');
  const sentence = `the process that runs the model ended with signal SIGKILL (see ${log}); open the model again`;
  expect(await opening).toMatchObject({ code: 'device', message: sentence });
  expect(await openPlayground({ runId }, call)).toEqual(model);
  await lab.close();
  for (const { pid } of lab.processes) expect(() => process.kill(pid!, 0)).toThrow();
});

it('checkpoints that are opened and asked at the same time answer each for itself', async () => {
  const both = await openLab(home);
  const { tryImage, datasetPage } = both.app.handlers;
  const runs: string[] = [];
  for (const seed of [1, 2]) {
    const runId = await both.app.start(smallConfig({ training: { steps: 3, seed } }));
    await both.app.whenEnded(runId);
    runs.push(runId);
  }
  const page = await datasetPage({ name: 'digits', split: 'test', from: 0, count: 1 }, call);
  if (page.kind !== 'images') throw new Error('not images');
  const { pixels } = page.images[0]!;
  const ask = async (runId: string) => (await tryImage({ runId, step: 3, pixels }, call)).classes;
  const alone = [await ask(runs[0]!), await ask(runs[1]!)];
  expect(alone[0]).not.toEqual(alone[1]);
  await both.close();

  // The first has to be exported anew, the second is loaded meanwhile.
  await rm(join(home, 'runs', runs[0]!, 'exports'), { recursive: true });
  const again = await openLab(home);
  const opened = runs.map(async (runId) => again.app.handlers.openPlayground({ runId }, call));
  await Promise.all(opened);
  const asked = async (at: number) => again.app.handlers.tryImage({ runId: runs[at]!, step: 3, pixels }, call);
  expect((await asked(1)).classes).toEqual(alone[1]);
  expect((await asked(0)).classes).toEqual(alone[0]);
  const order = [0, 1, 1, 0, 1, 0, 0, 1];
  const answers = await Promise.all(order.map(asked));
  expect(answers.map(({ classes }) => classes)).toEqual(order.map((at) => alone[at]));
  await again.close();
});

it('where the newest checkpoint is damaged, the newest whole one is tried, and that is said', async () => {
  const third = await openLab(home);
  const runId = await third.app.start(smallConfig({ training: { steps: 4 }, checkpoint: { every: 2 } }));
  await third.app.whenEnded(runId);
  const checkpoint = (name: string) => join(home, 'runs', runId, 'checkpoints/step-00000004', name);
  await truncate(checkpoint('optimizer.safetensors'), 100);
  expect(await third.app.handlers.openPlayground({ runId }, call)).not.toHaveProperty('warning');
  await truncate(checkpoint('values.safetensors'), 100);
  const { step, warning } = await third.app.handlers.openPlayground({ runId }, call);
  expect([step, warning]).toEqual([
    2,
    `this is of step 2, since ${checkpoint('values.safetensors')} is damaged: its bytes are not those that were written`,
  ]);
  await third.close();
});
