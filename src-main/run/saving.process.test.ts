// Checkpoints that are written while the next steps run.

import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { RunConfig } from '../contract/runConfig.ts';
import { wholeCheckpoint } from '../records/checkpoint.ts';
import { removeStaleStores } from '../records/leftStores.ts';
import { RunFolder } from '../records/runFolder.ts';
import { cpuDevices, newHome, openLab, smallConfig } from '../testing/lab.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { trainUntil } from '../testing/survival.ts';

let home: string;
beforeAll(async () => (home = await newHome()));
afterAll(async () => {
  await rm(home, { recursive: true });
  // Of the last app that was killed.
  await removeStaleStores();
});

/** A network whose checkpoints take longer to write than its steps. */
function wideConfig(steps: number, checkpoint: object, width = 32): RunConfig {
  const config = smallConfig({ devices: cpuDevices(2), training: { steps }, checkpoint });
  return { ...config, model: { ...config.model, width } as RunConfig['model'] };
}

it('each is of its own step, whatever the next steps do meanwhile', async () => {
  const lab = await openLab(home);
  const trained = async (steps: number, checkpoint: object) => {
    const runId = await lab.app.start(wideConfig(steps, checkpoint));
    expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'done', warning: '' });
    return new RunFolder(home, runId);
  };
  const folder = await trained(12, { every: 2, keep: 10 });
  expect(await folder.checkpoints()).toEqual([2, 4, 6, 8, 10, 12]);
  const log = (await folder.lastLogLines(100)).filter((line) => line.includes('was written beside it'));
  expect(log).toHaveLength(5);
  for (const steps of [4, 10]) {
    const alone = await trained(steps, {});
    for (const name of ['values.safetensors', 'optimizer.safetensors']) {
      const [beside, expected] = [folder, alone].map((of) => readFile(join(of.checkpointPath(steps), name)));
      expect((await beside!).equals(await expected!)).toBe(true);
    }
  }
  await lab.close();
});

it('the app is killed while one is written: those before it are whole', async () => {
  const path = join(home, 'config.yaml');
  await writeFile(path, stringify(wideConfig(100_000, { every: 2, keep: 1 }, 128)));
  const namesOf = (runId: string) => readdir(new RunFolder(home, runId).file('checkpoints'));
  const isWritten = async (runId: string) => {
    for (let names: string[] = []; !/\.partial-.*step-/.test(names.join()); names = (await namesOf(runId)).sort())
      await delay(1);
  };
  const kill = { trains: true, afterMs: 0, when: isWritten };
  const { runId } = await trainUntil(home, ['train', path], kill);
  for (let times = 0; times < 3; times++) {
    const folder = new RunFolder(home, runId);
    const steps = await folder.checkpoints();
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(await wholeCheckpoint(folder, step, true)).toMatchObject({ step });
    await trainUntil(home, ['resume', runId], kill);
  }
});

it('where the disk has no room for one, the run is refused before it begins, unless it is forced', async (context) => {
  const mounted = await withSmallDisk('size=8m', async (disk) => {
    await cp(join(home, 'datasets'), join(disk, 'datasets'), { recursive: true });
    const lab = await openLab(disk);
    const config = wideConfig(2, {}, 128);
    const refused = /^the disk is full: a checkpoint takes .* are free in .*sdp-disk-/;
    await expect(lab.app.start(config)).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringMatching(refused) as string,
    });
    expect(await readdir(join(disk, 'runs')).catch(() => [])).toEqual([]);
    const runId = await lab.app.start(config, { force: true });
    const { state, reason } = await lab.app.whenEnded(runId);
    expect([state, reason]).toEqual(['failed', expect.stringContaining('the disk is full: a checkpoint takes ')]);
    expect(await new RunFolder(disk, runId).checkpoints()).toEqual([]);
    await lab.close();
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});
