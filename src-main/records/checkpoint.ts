// Checkpoints: checkpoints/step-NNNNNNNN/ with values.safetensors (parameters and buffers in the library's layout), optimizer.safetensors
// and, written last, manifest.json: the step and the digest of each file. Written into a hidden folder, synced and renamed, so that a folder
// with a checkpoint's name was whole once; whether it still is, the digests tell when it is read.

import { readFile, readdir, rename, rm, statfs } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { formatBytes } from '../contract/bytes.ts';
import { UserError } from '../contract/errors.ts';
import { isMissing, makeFolder, readError, replaceFile, storageError, syncFolder, systemCode } from '../files/files.ts';
import { native, type NativeStore } from '../native.ts';
import type { RunFolder } from './runFolder.ts';
import type { RunRecord } from './runRecord.ts';

const valuesFile = 'values.safetensors';
const optimizerFile = 'optimizer.safetensors';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const manifest = z.strictObject({
  step: z.number(),
  files: z.strictObject({ [valuesFile]: digest, [optimizerFile]: digest }),
});
type Manifest = z.infer<typeof manifest>;

/** In the place of a manifest where an older version of the app has written the checkpoint: without digests. */
const olderState = z.strictObject({ step: z.number() });

/**
 * Writes the store's state after `step` steps; then removes all but the newest `keep`, and those of later steps, which a run has that went
 * back to an earlier one. On failure nothing is left, and all that were there stay.
 */
export async function writeCheckpoint(
  { folder }: RunRecord,
  store: NativeStore,
  step: number,
  keep: number,
): Promise<void> {
  const final = folder.checkpointPath(step);
  const partial = hidden(folder, `partial-${step}`);
  const replaced = hidden(folder, `replaced-${step}`);
  try {
    await removeHidden(folder);
    await makeFolder(partial);
    await checkRoom(folder.file('checkpoints'), store.copyBytes());
    const plain = { scales: {}, statistics: false, int64: [], metadata: { step: String(step) } };
    const files = {
      [valuesFile]: await store.writeValues(join(partial, valuesFile), plain),
      [optimizerFile]: await store.writeOptimizer(join(partial, optimizerFile)),
    };
    await replaceFile(join(partial, 'manifest.json'), (file) => file.writeFile(JSON.stringify({ step, files })));
    await syncFolder(partial);
    if (existsSync(final)) await rename(final, replaced);
    await rename(partial, final);
    await syncFolder(folder.file('checkpoints'));
  } catch (error) {
    if (existsSync(replaced)) await rename(replaced, final).catch(() => undefined);
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw storageError(error, final);
  }
  const others = await folder.checkpoints();
  const earlier = others.filter((other) => other < step).slice(0, -(keep - 1) || undefined);
  const gone = [...earlier, ...others.filter((other) => other > step)].map((other) => folder.checkpointPath(other));
  await Promise.all([replaced, ...gone].map((path) => rm(path, { recursive: true, force: true })));
}

/** Fails with `storage` where a checkpoint of so many bytes has no room in a folder. */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder);
  const free = bavail * bsize;
  // Some file systems do not tell.
  if (blocks === 0 || free >= bytes) return;
  const sentence = `the disk is full: a checkpoint takes ${formatBytes(bytes)}, and ${formatBytes(free)} are free in ${folder}`;
  throw new UserError('storage', sentence, { key: folder });
}

export interface FoundCheckpoint {
  step: number;
  /** Whether there is none of a later step, damaged or not. */
  isNewest: boolean;
  /** What was wrong with newer ones. */
  problems: string[];
}

/** What the user should know of a checkpoint that is not the newest; undefined where there is nothing to say. */
export function olderCheckpoint(found: Pick<FoundCheckpoint, 'step' | 'problems'> | undefined): string | undefined {
  if (!found || found.problems.length === 0) return undefined;
  return `this is of step ${found.step}, since ${found.problems.join('; ')}`;
}

/** Fills the store from the checkpoint of a step, or from the newest whole one; with the optimizer's state where the run is to go on. */
export async function readCheckpoint(
  folder: RunFolder,
  store: NativeStore,
  step: number | undefined,
  optimizer: boolean,
): Promise<FoundCheckpoint> {
  return await firstWhole(folder, step, async (path, files) => {
    await store.readValues(join(path, valuesFile), files?.[valuesFile]);
    if (optimizer) await store.readOptimizer(join(path, optimizerFile), files?.[optimizerFile]);
  });
}

/** The same by the digests alone, without a store. */
export async function wholeCheckpoint(
  folder: RunFolder,
  step: number | undefined,
  optimizer: boolean,
): Promise<FoundCheckpoint> {
  return await firstWhole(folder, step, async (path, files) => {
    for (const name of optimizer ? ([valuesFile, optimizerFile] as const) : ([valuesFile] as const)) {
      const file = join(path, name);
      const found = await native().fileDigest(file);
      if (files && found !== files[name])
        throw damaged(`${file} is damaged: its bytes are not those that were written`);
    }
  });
}

/** The first, from the newest on, that can be read. */
async function firstWhole(
  folder: RunFolder,
  step: number | undefined,
  read: (path: string, files: Manifest['files'] | undefined) => Promise<void>,
): Promise<FoundCheckpoint> {
  const problems: string[] = [];
  const first = await findCheckpoint(folder, step);
  const steps = (await folder.checkpoints()).reverse();
  for (const candidate of step === undefined ? steps : [first]) {
    const path = folder.checkpointPath(candidate);
    try {
      const { files } = await readManifest(path, candidate);
      await read(path, files);
      return { step: candidate, isNewest: candidate === steps[0], problems };
    } catch (error) {
      // Of a file that is there and may not be read now, nobody knows whether it is whole.
      if (systemCode(error) !== undefined && !isMissing(error)) throw readError(error, path);
      const problem =
        error instanceof UserError
          ? error
          : damaged(`checkpoint ${path} cannot be read: ${(error as Error).message}`, error);
      if (problem.code !== 'checkpoint') throw problem;
      problems.push(problem.message);
    }
  }
  throw new UserError('checkpoint', problems.join('; '), { key: folder.id });
}

const damaged = (sentence: string, cause?: unknown) => new UserError('checkpoint', sentence, { cause });

async function readManifest(path: string, step: number): Promise<Partial<Manifest>> {
  const isOlder = existsSync(join(path, 'state.json'));
  const file = join(path, isOlder ? 'state.json' : 'manifest.json');
  const text = await readFile(file, 'utf8');
  const parsed = (isOlder ? olderState : manifest).safeParse(parseJson(text));
  if (!parsed.success || parsed.data.step !== step)
    throw new UserError('checkpoint', `${file} is damaged: it does not name step ${step}`, { key: file });
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
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

const hidden = (folder: RunFolder, name: string): string => folder.file(join('checkpoints', `.${name}`));

/** What a process has left that was ended while it wrote; a checkpoint that it was about to replace comes back. */
async function removeHidden(folder: RunFolder): Promise<void> {
  for (const name of await readdir(folder.file('checkpoints')).catch(() => [])) {
    const step = /^\.(?:partial|replaced)-(\d+)$/.exec(name)?.[1];
    if (step === undefined) continue;
    const path = folder.file(join('checkpoints', name));
    const final = folder.checkpointPath(Number(step));
    if (name.startsWith('.replaced') && !existsSync(final)) await rename(path, final);
    else await rm(path, { recursive: true, force: true });
  }
}
