// Stores, as files of the memory file system or of the folder for temporary files; those that an app has left which died.
//
// A store says whose it is once it is filled: the run, the step that it was filled with, and the start of the machine, behind which a file of a
// disk may not be whole. While it has steps that no checkpoint has it stays, until its run goes on or is deleted. Every other store that nobody
// holds is removed at the next start of an app. Devices hold a store, too, so that one that outlives its main process writes to none that is read.

import { existsSync, readFileSync } from 'node:fs';
import { readdir, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { formatBytes } from '../contract/bytes.ts';
import { UserError } from '../contract/errors.ts';
import type { RunSummary } from '../contract/run.ts';
import { native, type NativeStore } from '../native.ts';
import { RunFolder } from './runFolder.ts';

export const memoryFolder = '/dev/shm';
/** Until the devices of an app that died have ended. */
const patienceMs = 10_000;
const betweenTriesMs = 20;

const owner = z.strictObject({ run: z.string(), boot: z.string(), step: z.number() });

export interface LeftStore {
  path: string;
  /** Steps whose parameters it has, or has once an update in progress is completed. */
  step: number;
  /** That it takes of memory, or of the disk. */
  bytes: number;
}

/** The store of a run, filled with the parameters of a step: from here on it survives the app. */
export async function claimStore(store: NativeStore, { path }: RunFolder, step: number): Promise<void> {
  const boot = bootId();
  if (boot !== null) store.setOwner(JSON.stringify({ run: await realpath(path), boot, step }));
}

/** What an app that died has left of a run that no checkpoint has; undefined where there is nothing. */
export async function findLeftStore({ path: folder }: RunFolder): Promise<LeftStore | undefined> {
  const run = await realpath(folder);
  for (const path of await storePaths()) {
    const left = await usefulStore(path, run);
    if (left) return left;
  }
  return undefined;
}

/** What is told of a run: one that its app has left in memory goes on from there. */
export async function withLeftStore(folder: RunFolder, summary: RunSummary): Promise<RunSummary> {
  const left = summary.state === 'interrupted' ? await findLeftStore(folder) : undefined;
  if (!left) return summary;
  const { step, bytes } = left;
  const where = `its state of step ${step} is in memory (${formatBytes(bytes)}) until it is resumed or deleted`;
  return { ...summary, step, reason: `${summary.reason}; ${where}` };
}

/** Opens it, once the devices that still have it are ended. By who holds the run. */
export async function takeLeftStore({ path, step }: LeftStore): Promise<NativeStore> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const store = await native().takeStore(path);
    if (store) return store;
    const processes = looked(path)?.processes ?? [];
    for (const pid of processes) endProcess(pid);
    if (performance.now() > end) {
      const who = processes.length === 0 ? 'another process' : `processes ${processes.join(', ')}`;
      const sentence = `the state of step ${step}, ${path}, is still used by ${who} of the app that ended; end that, or go on with --checkpoint`;
      throw new UserError('conflict', sentence, { key: path });
    }
    await delay(betweenTriesMs);
  }
}

/** What an app that died has left of a run is of no use any more. By who holds the run. */
export async function dropLeftStore(folder: RunFolder): Promise<void> {
  const left = await findLeftStore(folder);
  if (left) await rm(left.path, { force: true });
}

/** Removes the stores that nobody holds any more and that are of no use. */
export async function removeStaleStores(): Promise<void> {
  for (const path of await storePaths()) if (!(await usefulStore(path))) await removeWhereLeft(path);
}

async function storePaths(): Promise<string[]> {
  const folders = await Promise.all(
    [memoryFolder, tmpdir()].map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      return names.filter((name) => /^sdp-lab-\d+-[0-9a-f]+\.store$/.test(name)).map((name) => join(folder, name));
    }),
  );
  return folders.flat();
}

/** A store that has steps of its run (`of`: of that run) which no checkpoint has. */
async function usefulStore(path: string, of?: string): Promise<LeftStore | undefined> {
  const state = looked(path);
  const said = owner.safeParse(parsed(state?.owner)).data;
  if (!state || !said || said.boot !== bootId() || (of !== undefined && said.run !== of)) return undefined;
  const folder = new RunFolder(dirname(dirname(said.run)), basename(said.run));
  const step = said.step + state.updates;
  if (state.updates === 0 || !existsSync(folder.file('state.json'))) return undefined;
  if ((await folder.checkpoints()).includes(step)) return undefined;
  const { blocks } = await stat(path);
  return { path, step, bytes: 512 * blocks };
}

/** Undefined where it is none of this version and this user, or is taken. */
function looked(path: string): ReturnType<ReturnType<typeof native>['lookAtStore']> | undefined {
  try {
    return native().lookAtStore(path);
  } catch (error) {
    if (error instanceof UserError && error.code === 'storage') return undefined;
    throw error;
  }
}

function parsed(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return undefined;
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

async function removeWhereLeft(store: string): Promise<void> {
  try {
    const hold = native().holdFile(store);
    if (!hold) return;
    await rm(store, { force: true });
    hold.close();
  } catch (error) {
    // Another user's, who removes it himself.
    if (!(error instanceof UserError && error.code === 'storage')) throw error;
  }
}

/** Of this start of the machine; null where the system does not tell. */
function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
