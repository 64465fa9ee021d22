// Checkpoints: checkpoints/step-NNNNNNNN/ with values.safetensors (parameters and buffers in the library's layout), optimizer.safetensors
// and state.json. Written into a hidden folder and renamed, so that a folder with a checkpoint's name is always whole.

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { storageError, syncFolder } from '../data/files.ts';
import type { NativeStore } from '../native.ts';
import type { RunFolder } from './runFolder.ts';

/** Writes the store's state after `step` steps and removes all but the newest `keep`. On failure nothing is left and older ones stay. */
export async function writeCheckpoint(
  folder: RunFolder,
  store: NativeStore,
  step: number,
  keep: number,
): Promise<void> {
  const final = folder.checkpointPath(step);
  if (!existsSync(final)) {
    const partial = join(folder.file('checkpoints'), `.partial-${step}`);
    try {
      await rm(partial, { recursive: true, force: true });
      await mkdir(partial, { recursive: true });
      const plain = { scales: {}, statistics: false, int64: [], metadata: { step: String(step) } };
      await store.writeValues(join(partial, 'values.safetensors'), plain);
      await store.writeOptimizer(join(partial, 'optimizer.safetensors'));
      await writeFile(join(partial, 'state.json'), JSON.stringify({ step }));
      await rename(partial, final);
      await syncFolder(folder.file('checkpoints'));
    } catch (error) {
      await rm(partial, { recursive: true, force: true });
      throw storageError(error, final);
    }
  }
  const old = (await folder.checkpoints()).filter((other) => other !== step).slice(0, -(keep - 1) || undefined);
  await Promise.all(old.map((other) => rm(folder.checkpointPath(other), { recursive: true, force: true })));
}

/** Fills the store from the checkpoint of a step; with the optimizer's state where the run is to go on. */
export async function readCheckpoint(
  folder: RunFolder,
  store: NativeStore,
  step: number,
  optimizer: boolean,
): Promise<void> {
  const path = folder.checkpointPath(step);
  try {
    const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8')) as { step?: unknown };
    if (state.step !== step)
      throw new UserError('checkpoint', `${path} is damaged: state.json is of step ${String(state.step)}`);
    await store.readValues(join(path, 'values.safetensors'));
    if (optimizer) await store.readOptimizer(join(path, 'optimizer.safetensors'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError('checkpoint', `checkpoint ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The newest checkpoint, or the one asked for. */
export async function findCheckpoint(folder: RunFolder, step?: number): Promise<number> {
  const steps = await folder.checkpoints();
  if (steps.length === 0) throw new UserError('checkpoint', `run ${folder.id} has no checkpoint yet`);
  if (step === undefined) return steps.at(-1)!;
  if (!steps.includes(step))
    throw new UserError('checkpoint', `run ${folder.id} has no checkpoint of step ${step}; it has ${steps.join(', ')}`);
  return step;
}
