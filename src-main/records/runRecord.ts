// The one writer of a run's folder. It holds the run's lock, and stores what changes one after the other, so that no older state lands on a newer one.

import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { UserError } from '../contract/errors.ts';
import type { Plan } from '../contract/plan.ts';
import type { GradientRecord, RunSummary } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { makeFolder, namesIn, removePartialFiles, replaceFile, storageError } from '../files/files.ts';
import type { NativeHold } from '../native.ts';
import { holdRun } from './hold.ts';
import { leftBehind, RunFolder } from './runFolder.ts';

/** Beginnings of the names of runs that are being made, and deleted. */
const hidden = { making: '.new-', leaving: '.deleted-' };

export class RunRecord {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly folder: RunFolder,
    private readonly hold: NativeHold,
    private current: RunSummary,
  ) {}

  /**
   * Makes a run: `20261121-053412-mnist`, with a number behind it where that is taken. All that it has on the disk before its first step is
   * there at once, or nothing. By who may train in the data folder.
   */
  static async create(home: string, config: RunConfig, plan: Plan, begun: Omit<RunSummary, 'id'>): Promise<RunRecord> {
    const runs = join(home, 'runs');
    try {
      await makeFolder(runs);
      const folder = new RunFolder(home, freeRunId(runs, config.name, new Date(begun.createdAt)));
      const making = new RunFolder(home, folder.id, join(runs, `${hidden.making}${folder.id}`));
      const summary = { ...begun, id: folder.id };
      await fill(making, config, plan, summary);
      await rename(making.path, folder.path);
      const hold = await taken(folder).catch(async (error: unknown) => {
        await remove(folder).catch(() => undefined);
        throw error;
      });
      return new RunRecord(folder, hold, summary);
    } catch (error) {
      await removeUnfinishedRuns(home);
      throw storageError(error, runs);
    }
  }

  /** Takes a run that nobody holds; fails with `conflict` where somebody does. */
  static async open(folder: RunFolder): Promise<RunRecord> {
    const hold = await taken(folder);
    try {
      await removePartialFiles(folder.path);
      return new RunRecord(folder, hold, leftBehind(await folder.stored()));
    } catch (error) {
      hold.close();
      throw error;
    }
  }

  /** Removes a run that nobody holds, damaged or not, once `ready`: out of the list at once, then file by file. */
  static async delete(folder: RunFolder, ready: () => Promise<void>): Promise<void> {
    const hold = await taken(folder);
    try {
      await ready();
      await remove(folder);
    } finally {
      hold.close();
    }
  }

  get summary(): RunSummary {
    return this.current;
  }

  /** In memory; `store` writes it. */
  set(change: Partial<RunSummary>): void {
    this.current = { ...this.current, ...change };
  }

  /** Writes the summary as it is when its turn comes. */
  store(): Promise<void> {
    return this.inTurn(() => writeState(this.folder, this.current));
  }

  /** Keeps the configuration as what the run is trained with from here on. */
  keepTrained(): Promise<void> {
    return this.inTurn(() => keepTrained(this.folder));
  }

  writePlan(plan: Plan): Promise<void> {
    return this.inTurn(() => replace(this.folder, 'plan.json', JSON.stringify(plan)));
  }

  writeGradients(gradients: GradientRecord): Promise<void> {
    return this.inTurn(() => replace(this.folder, 'gradients.json', JSON.stringify(gradients)));
  }

  async rename(name: string): Promise<void> {
    await this.changeConfig((config) => ({ ...config, name }));
    this.set({ name });
    await this.store();
  }

  /** Follows a dataset to its new name. */
  async renameDataset(to: string): Promise<void> {
    await this.changeConfig((config) => ({ ...config, data: { ...config.data, dataset: to } }));
    this.set({ dataset: to });
    await this.store();
  }

  /** The configuration as it is stored, and as it was trained with. */
  changeConfig(change: (config: RunConfig) => RunConfig): Promise<void> {
    return this.inTurn(async () => {
      const { folder } = this;
      await replace(folder, 'config.yaml', stringify(change((await folder.storedConfig()) as RunConfig)));
      const trained = await folder.trained();
      const changed = trained && { ...trained, config: change(trained.config) };
      if (changed) await replace(folder, 'trained.json', JSON.stringify(changed));
    });
  }

  /** Lets go of the run when everything is written. */
  async close(): Promise<void> {
    await this.last;
    this.hold.close();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

/** Removes runs that were being made or deleted by a process that was killed. By who may train in the data folder. */
export async function removeUnfinishedRuns(home: string): Promise<void> {
  const runs = join(home, 'runs');
  const names = await namesIn(runs).catch(() => []);
  const unfinished = names.filter((name) => Object.values(hidden).some((prefix) => name.startsWith(prefix)));
  await Promise.all(
    unfinished.map((name) => rm(join(runs, name), { recursive: true, force: true }).catch(() => undefined)),
  );
}

async function taken(folder: RunFolder): Promise<NativeHold> {
  folder.mustExist();
  const hold = await holdRun(folder.path);
  if (!hold) throw new UserError('conflict', `run ${folder.id} is active in another process`);
  return hold;
}

async function fill(folder: RunFolder, config: RunConfig, plan: Plan, summary: RunSummary): Promise<void> {
  await mkdir(folder.file('checkpoints'), { recursive: true });
  await writeFile(folder.file('config.yaml'), stringify(await keepPlanFile(folder, config)));
  await keepTrained(folder);
  await replace(folder, 'plan.json', JSON.stringify(plan));
  await writeState(folder, summary);
}

/** Copies the file of an explicit plan, so that the run does not change with it. */
async function keepPlanFile(folder: RunFolder, config: RunConfig): Promise<RunConfig> {
  const { plan } = config.subnetworks;
  if (plan === undefined) return config;
  await copyFile(plan, folder.file('units.yaml'));
  return { ...config, subnetworks: { ...config.subnetworks, plan: 'units.yaml' } };
}

async function keepTrained(folder: RunFolder): Promise<void> {
  await replace(folder, 'trained.json', JSON.stringify(await folder.toTrain()));
}

async function writeState(folder: RunFolder, summary: RunSummary): Promise<void> {
  await replace(folder, 'state.json', JSON.stringify({ summary }));
}

async function replace(folder: RunFolder, name: string, text: string): Promise<void> {
  await replaceFile(folder.file(name), (file) => file.writeFile(text));
}

async function remove(folder: RunFolder): Promise<void> {
  const leaving = join(dirname(folder.path), `${hidden.leaving}${folder.id}`);
  try {
    await rename(folder.path, leaving);
    await rm(leaving, { recursive: true, force: true });
  } catch (error) {
    throw storageError(error, folder.path);
  }
}

function freeRunId(runs: string, name: string, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const slug =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 40) || 'run';
  let id = `${stamp}-${slug}`;
  for (let count = 2; existsSync(join(runs, id)); count += 1) id = `${stamp}-${slug}-${count}`;
  return id;
}
