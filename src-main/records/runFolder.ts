// Folder of a run, HOME/runs/ID: config.yaml, trained.json (what its steps so far were trained with), plan.json, units.yaml (the explicit plan that it was given), state.json, gradients.json (as last measured), metrics.jsonl, events.out.tfevents.*, checkpoints/, exports/, exports.jsonl (a line each), log.txt, lock.
//
// state.json is replaced as a whole by the process that holds the lock (hold.ts); a run that nobody holds while its state says that it works is interrupted.

import { existsSync, type Dirent } from 'node:fs';
import { appendFile, copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import { plan, type Plan } from '../contract/plan.ts';
import {
  exportResult,
  gradientRecord,
  isActive,
  runSummary,
  type ExportResult,
  type GradientRecord,
  type RunSummary,
} from '../contract/run.ts';
import { faultOf } from '../contract/fault.ts';
import { isMissing, isTemporaryName, makeFolder, readError, replaceFile, storageError } from '../files/files.ts';
import { isRunHeld } from './hold.ts';
import { parseRunConfig, runConfig, type RunConfig } from '../contract/runConfig.ts';
import type { Trained } from './configChanges.ts';
import { visibleLines } from '../contract/visible.ts';

const runId = /^[\w-][\w.-]{0,99}$/;
/** Beginnings of the names of runs that are being made, and deleted. */
const hidden = { making: '.new-', leaving: '.deleted-' };
const storedState = z.object({ summary: runSummary });

export class RunFolder {
  readonly path: string;

  constructor(
    home: string,
    readonly id: string,
    path?: string,
  ) {
    if (!runId.test(id)) throw new UserError('usage', `"${id}" is not the id of a run; "sdp runs" lists them`);
    this.path = path ?? join(home, 'runs', id);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  checkpointPath(step: number): string {
    return this.file(join('checkpoints', `step-${String(step).padStart(8, '0')}`));
  }

  /**
   * Makes a run: `20261121-053412-mnist`, with a number behind it where that is taken. All that it has on the disk before its first step is
   * there at once, or nothing. By who may train in the data folder.
   */
  static async create(
    home: string,
    config: RunConfig,
    plan: Plan,
    summary: Omit<RunSummary, 'id'>,
  ): Promise<RunFolder> {
    const runs = join(home, 'runs');
    try {
      await makeFolder(runs);
      const folder = new RunFolder(home, freeRunId(runs, config.name, new Date(summary.createdAt)));
      const making = new RunFolder(home, folder.id, join(runs, `${hidden.making}${folder.id}`));
      await making.fill(config, plan, { ...summary, id: folder.id });
      await rename(making.path, folder.path);
      return folder;
    } catch (error) {
      await removeUnfinishedRuns(home);
      throw storageError(error, runs);
    }
  }

  private async fill(config: RunConfig, plan: Plan, summary: RunSummary): Promise<void> {
    await mkdir(join(this.path, 'checkpoints'), { recursive: true });
    await writeFile(this.file('config.yaml'), stringify(await this.keepPlanFile(config)));
    await this.keepTrained();
    await this.writePlan(plan);
    await this.writeState(summary);
  }

  async readConfig(): Promise<RunConfig> {
    const config = parseRunConfig(await this.parseFile('config.yaml', 'YAML', parse));
    const { plan } = config.subnetworks;
    return plan === undefined
      ? config
      : { ...config, subnetworks: { ...config.subnetworks, plan: resolve(this.path, plan) } };
  }

  /** Keeps the configuration as what the run is trained with from here on. */
  async keepTrained(): Promise<void> {
    await this.replace('trained.json', JSON.stringify(await this.toTrain()));
  }

  /** What the configuration has now. */
  async toTrain(): Promise<Trained> {
    const config = parseRunConfig(await this.parseFile('config.yaml', 'YAML', parse));
    const { plan } = config.subnetworks;
    return { config, units: plan === undefined ? null : await readFile(resolve(this.path, plan), 'utf8') };
  }

  /** What its steps so far were trained with; null where an older version of the app wrote it. */
  trained(): Promise<Trained | null> {
    return this.readOptional('trained.json', z.object({ config: runConfig, units: z.string().nullable() }));
  }

  async writePlan(value: Plan): Promise<void> {
    await this.replace('plan.json', JSON.stringify(value));
  }

  /** Null before there is one, and where an older version of the app wrote it. */
  readPlan(): Promise<Plan | null> {
    return this.readOptional('plan.json', plan);
  }

  async writeGradients(value: GradientRecord): Promise<void> {
    await this.replace('gradients.json', JSON.stringify(value));
  }

  /** Null before there were any. */
  readGradients(): Promise<GradientRecord | null> {
    return this.readOptional('gradients.json', gradientRecord);
  }

  /** By the holder of the run. */
  async writeState(summary: RunSummary): Promise<void> {
    await this.replace('state.json', JSON.stringify({ summary }));
  }

  /** State as stored; `interrupted` where nobody is at work that should be. Fails with a `checkpoint` error where it is damaged. */
  async readState(): Promise<RunSummary> {
    const summary = await this.readStored();
    if (!isActive(summary.state) || isRunHeld(this.path)) return summary;
    // Its holder may have ended it meanwhile.
    const last = await this.readStored();
    if (!isActive(last.state)) return last;
    return { ...last, state: 'interrupted', reason: 'the app ended while the run was active' };
  }

  /** Of one line, so that several processes may add some at once. */
  async addExport(result: ExportResult): Promise<void> {
    await appendFile(this.file('exports.jsonl'), `${JSON.stringify(result)}\n`).catch((error: unknown) => {
      throw storageError(error, this.file('exports.jsonl'));
    });
  }

  /** In the order in which they were made; lines that were cut off are left out. */
  async exports(): Promise<ExportResult[]> {
    const text = await readFile(this.file('exports.jsonl'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return [exportResult.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    });
  }

  /** Steps of the complete checkpoints, ascending. */
  async checkpoints(): Promise<number[]> {
    const names = await namesIn(this.file('checkpoints'));
    return names.flatMap((name) => (/^step-\d{8,}$/.test(name) ? [Number(name.slice(5))] : [])).sort((a, b) => a - b);
  }

  async log(line: string): Promise<void> {
    await appendFile(this.file('log.txt'), `${new Date().toISOString()} ${visibleLines(line)}\n`).catch(
      () => undefined,
    );
  }

  /** Follows a dataset to its new name. */
  async renameDataset(to: string): Promise<void> {
    await this.changeConfig((config) => ({ ...config, data: { ...config.data, dataset: to } }));
    await this.changeSummary({ dataset: to });
  }

  /** Of a run that is not active. */
  async rename(name: string): Promise<RunSummary> {
    await this.changeConfig((config) => ({ ...config, name }));
    return await this.changeSummary({ name });
  }

  /** The configuration as it is stored, and as it was trained with. */
  async changeConfig(change: (config: RunConfig) => RunConfig): Promise<void> {
    const config = (await this.parseFile('config.yaml', 'YAML', parse)) as RunConfig;
    await this.replace('config.yaml', stringify(change(config)));
    const trained = await this.trained();
    if (trained) await this.replace('trained.json', JSON.stringify({ ...trained, config: change(trained.config) }));
  }

  /** Removes what a process has left that was killed while it replaced a file. By the holder of the run. */
  async removePartialFiles(): Promise<void> {
    const names = await readdir(this.path).catch(() => []);
    const partial = names.filter((name) => isTemporaryName(name));
    await Promise.all(partial.map((name) => rm(this.file(name), { force: true }).catch(() => undefined)));
  }

  /** Out of the list at once, then file by file. */
  async delete(): Promise<void> {
    const leaving = join(dirname(this.path), `${hidden.leaving}${this.id}`);
    try {
      await rename(this.path, leaving);
      await rm(leaving, { recursive: true, force: true });
    } catch (error) {
      throw storageError(error, this.path);
    }
  }

  async lastLogLines(most: number): Promise<string[]> {
    const text = await readFile(this.file('log.txt'), 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-most);
  }

  /** Copies the file of an explicit plan, so that the run does not change with it. */
  private async keepPlanFile(config: RunConfig): Promise<RunConfig> {
    const { plan } = config.subnetworks;
    if (plan === undefined) return config;
    await copyFile(plan, this.file('units.yaml'));
    return { ...config, subnetworks: { ...config.subnetworks, plan: 'units.yaml' } };
  }

  private async changeSummary(change: Partial<RunSummary>): Promise<RunSummary> {
    const changed = { ...(await this.readState()), ...change };
    await this.writeState(changed);
    return changed;
  }

  private async readStored(): Promise<RunSummary> {
    const parsed = storedState.safeParse(await this.parseFile('state.json', 'JSON', parseJson), { reportInput: true });
    if (parsed.success && parsed.data.summary.id === this.id) return parsed.data.summary;
    if (parsed.success) throw this.damaged(`state.json: summary.id: must be ${this.id}`);
    throw this.damaged(`state.json: ${faultOf(parsed.error)}`);
  }

  private async parseFile(name: string, format: string, parseText: (text: string) => unknown): Promise<unknown> {
    const text = await this.read(name);
    try {
      return parseText(text);
    } catch (error) {
      throw this.damaged(`${name} is not ${format}`, error);
    }
  }

  private async read(name: string): Promise<string> {
    try {
      return await readFile(this.file(name), 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw readError(error, this.file(name));
      if (this.holdsRun()) throw this.damaged(`${name} cannot be read (ENOENT)`, error);
      throw this.unknown(error);
    }
  }

  /** Fails where there is no run, damaged or not. */
  mustExist(): void {
    if (!this.holdsRun()) throw this.unknown();
  }

  private unknown(cause?: unknown): UserError {
    return new UserError('usage', `there is no run "${this.id}"; "sdp runs" lists the runs`, { cause });
  }

  private holdsRun(): boolean {
    return ['state.json', 'config.yaml'].some((name) => existsSync(this.file(name)));
  }

  private damaged(problem: string, cause?: unknown): UserError {
    const message = `run ${this.id} is damaged: ${problem}; delete it, or mend its folder ${this.path}`;
    return new UserError('checkpoint', message, { key: this.id, cause });
  }

  private async readOptional<T>(name: string, schema: z.ZodType<T>): Promise<T | null> {
    const value = await this.parseFile(name, 'JSON', parseJson).catch(() => null);
    return schema.safeParse(value).data ?? null;
  }

  private async replace(name: string, text: string): Promise<void> {
    await replaceFile(this.file(name), (file) => file.writeFile(text));
  }
}

export interface RunList {
  /** Newest first. */
  runs: RunSummary[];
  /** One error for each run whose state cannot be read, its id as `key`. */
  damaged: UserError[];
}

/** Runs under a home; folders that hold nothing of a run are left out. */
export async function listRuns(home: string): Promise<RunList> {
  const list: RunList = { runs: [], damaged: [] };
  for (const read of await Promise.all((await folderNames(home)).map((name) => readRun(home, name)))) {
    if (read instanceof UserError) list.damaged.push(read);
    else if (read) list.runs.push(read);
  }
  list.runs.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  return list;
}

async function folderNames(home: string): Promise<string[]> {
  const names = await namesIn(join(home, 'runs'), (entry) => entry.isDirectory());
  return names.filter((name) => runId.test(name)).sort();
}

/** Names in a folder; none where it is not there. */
async function namesIn(folder: string, when: (entry: Dirent) => boolean = () => true): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(when).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw readError(error, folder);
  }
}

/** Undefined where it is no run, or is being deleted meanwhile. */
async function readRun(home: string, id: string): Promise<RunSummary | UserError | undefined> {
  try {
    return await new RunFolder(home, id).readState();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.code === 'checkpoint') return error;
    return error.code === 'storage' ? new UserError('storage', error.message, { key: id, cause: error }) : undefined;
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

/** Removes runs that were being made or deleted by a process that was killed. By who may train in the data folder. */
export async function removeUnfinishedRuns(home: string): Promise<void> {
  const runs = join(home, 'runs');
  const names = await namesIn(runs).catch(() => []);
  const unfinished = names.filter((name) => Object.values(hidden).some((prefix) => name.startsWith(prefix)));
  await Promise.all(
    unfinished.map((name) => rm(join(runs, name), { recursive: true, force: true }).catch(() => undefined)),
  );
}

const parseJson = (text: string): unknown => JSON.parse(text);
