// The app is killed (SIGKILL) while it trains: the next start goes on from the very step that was done last.

import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunConfig } from '../contract/runConfig.ts';
import { native } from '../native.ts';
import { findLeftStore, type LeftStore } from '../records/leftStores.ts';
import { RunFolder } from '../records/runFolder.ts';
import { cpuDevices, familyConfig, importText, newHome, nextEvent, openLab, smallConfig } from '../testing/lab.ts';
import { randomSource } from '../testing/random.ts';
import { hasNotEnded, outcomeOf, runWithKilledApps, trainUntil } from '../testing/survival.ts';

let home: string;
beforeAll(async () => {
  home = await newHome();
  await importText(home);
});
afterAll(() => rm(home, { recursive: true }));
const call = { signal: new AbortController().signal };

async function written(config: RunConfig): Promise<string> {
  const path = join(home, 'config.yaml');
  await writeFile(path, stringify(config));
  return path;
}

it.each([
  ['resnet', 500],
  ['llama', 1500],
] as const)(
  '%s ends with the very same parameters, losses, norms and evaluations, whenever the app is killed',
  async (family, steps) => {
    const config = familyConfig(family, {
      devices: cpuDevices(2),
      training: { steps, clipGlobalNorm: 1 },
      evaluation: { every: 100 },
      checkpoint: { every: 250 },
    });
    const lab = await openLab(home);
    const undisturbed = await lab.app.start(config);
    expect((await lab.app.whenEnded(undisturbed)).state).toBe('done');
    const how = { random: randomSource(steps), kills: 5, withinMs: 400 };
    const { runId, kills, lostSteps } = await runWithKilledApps(home, await written(config), how);
    expect([kills > 2, lostSteps]).toEqual([true, 0]);
    expect(await outcomeOf(lab, runId)).toEqual(await outcomeOf(lab, undisturbed));
    expect(await evaluationsOf(runId)).toEqual(await evaluationsOf(undisturbed));
    await lab.close();

    async function evaluationsOf(id: string) {
      const { evaluations } = await lab.app.handlers.getRun({ runId: id }, call);
      return evaluations.map(({ seconds: _, ...evaluation }) => evaluation);
    }
  },
);

/** A run whose app was killed between two checkpoints, or before the first. */
async function killedRun(hangs = false, checkpoint = {}) {
  const config = await written(smallConfig({ devices: cpuDevices(2), training: { steps: 100_000 }, checkpoint }));
  // A checkpoint takes its time.
  const afterMs = 'every' in checkpoint ? 1000 : 250;
  const { runId, steps, children } = await trainUntil(home, ['train', config], { trains: true, afterMs, hangs });
  const folder = new RunFolder(home, runId);
  if (!hangs) await expect.poll(() => children.some(hasNotEnded), { timeout: 10_000 }).toBe(false);
  const left = (await findLeftStore(folder))!;
  expect(left.step).toBeGreaterThanOrEqual(steps!.done);
  return { runId, folder, left, children };
}

it('what is left in memory is told, stays until the run goes on from another step, and goes then', async () => {
  const { runId, folder, left } = await killedRun();
  for (let starts = 0; starts < 2; starts++) {
    const { handlers, close } = (await openLab(home)).app;
    const { runs } = await handlers.snapshot({}, call);
    expect(runs.find(({ id }) => id === runId)).toMatchObject({
      state: 'interrupted',
      step: left.step,
      reason: expect.stringContaining(`its state of step ${left.step} is in memory (`) as string,
    });
    await close();
  }
  const lab = await openLab(home);
  await lab.app.resume(runId, { checkpoint: 0 });
  expect(existsSync(left.path)).toBe(false);
  await lab.app.stop(runId);
  expect(await findLeftStore(folder)).toBeUndefined();
  await lab.close();
});

it('an evaluation is of the newest checkpoint, and says what is in memory', async () => {
  const { runId, folder, left } = await killedRun(false, { every: 10 });
  const lab = await openLab(home);
  const newest = (await folder.checkpoints()).at(-1)!;
  expect(await lab.app.evaluate(runId)).toMatchObject({
    step: newest,
    warning: `this is step ${newest}; the state of step ${left.step} is in memory until the run is resumed or deleted`,
  });
  await lab.app.handlers.deleteRun({ runId }, call);
  await lab.close();
});

it('it goes with the run, and a device that stands still and holds it is ended', async () => {
  const { runId, left, children } = await killedRun(true);
  const lab = await openLab(home);
  expect(hasNotEnded(children[0]!)).toBe(true);
  await lab.app.resume(runId);
  expect(hasNotEnded(children[0]!)).toBe(false);
  expect((await lab.app.stop(runId)).step).toBeGreaterThanOrEqual(left.step);
  expect(existsSync(left.path)).toBe(false);

  const other = await killedRun();
  await lab.app.handlers.deleteRun({ runId: other.runId }, call);
  expect(existsSync(other.left.path)).toBe(false);
  await lab.close();
});

it.each([
  ['of an earlier start of the machine', ({ path }: LeftStore) => changeOwner(path, { boot: 'another' })],
  ['damaged', ({ path }: LeftStore) => writeFile(path, 'no store')],
])('where it is %s the run goes on from its newest checkpoint', async (_, change) => {
  const { runId, folder, left } = await killedRun(false, { every: 10 });
  const newest = (await folder.checkpoints()).at(-1)!;
  expect(newest).toBeLessThan(left.step);
  await change(left);
  const lab = await openLab(home);
  expect(existsSync(left.path)).toBe(false);
  let from = Infinity;
  lab.app.events.subscribe(({ name, payload }) => {
    if (name === 'stepsAppended') from = Math.min(from, payload.columns.step[0]!);
  });
  await lab.app.resume(runId);
  await nextEvent(lab, 'stepsAppended');
  await lab.app.stop(runId);
  expect(from).toBe(newest);
  await lab.close();
});

async function changeOwner(path: string, change: object): Promise<void> {
  const owner = JSON.parse(native().lookAtStore(path).owner!) as object;
  const store = (await native().takeStore(path))!;
  store.setOwner(JSON.stringify({ ...owner, ...change }));
  await store.close();
}
