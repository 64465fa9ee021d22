// The runs of a data folder.

import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { RunSummary } from '../contract/run.ts';
import { namesIn } from '../files/files.ts';
import { withLeftStore } from './leftStores.ts';
import { RunFolder, runId } from './runFolder.ts';

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

/** Undefined where it is no run, or is being deleted meanwhile. */
async function readRun(home: string, id: string): Promise<RunSummary | UserError | undefined> {
  try {
    const folder = new RunFolder(home, id);
    return await withLeftStore(folder, await folder.readState());
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.code === 'checkpoint') return error;
    return error.code === 'storage' ? new UserError('storage', error.message, { key: id, cause: error }) : undefined;
  }
}
