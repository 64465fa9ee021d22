// Who is at work in a data folder: locks of the operating system, which go with their process however it ends. HOME/lock is held by the one run
// that may train in the data folder, RUN/lock by whoever changes that run. Process numbers say nothing: they are given anew, and every
// container counts its own.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder } from '../files/files.ts';
import { native, type NativeHold } from '../native.ts';

/** Others hold a file for moments only to look at it, or while they close. */
const patienceMs = 500;
const betweenTriesMs = 20;

/** Takes the right to train in a data folder; undefined where a run has it. */
export async function holdTraining(home: string): Promise<NativeHold | undefined> {
  await makeFolder(home);
  return await take(join(home, 'lock'));
}

/** Takes the folder of a run; undefined where it is taken. */
export async function holdRun(folder: string): Promise<NativeHold | undefined> {
  return await take(join(folder, 'lock'));
}

export function isRunHeld(folder: string): boolean {
  return native().isHeld(join(folder, 'lock'));
}

async function take(path: string): Promise<NativeHold | undefined> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const hold = native().holdFile(path);
    if (hold || performance.now() > end) return hold ?? undefined;
    await delay(betweenTriesMs);
  }
}
