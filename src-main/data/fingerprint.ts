// The fingerprint of a dataset's bytes as they are now, in verified.json beside its manifest with the sizes and times of the files that it is of.
//
// The cheap check: every change of a file gives it another time of change, whoever makes it, so files with those of the record have its
// fingerprint. Where one differs, or after the folder was copied, all bytes are read, and the record is made anew.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import { native } from '../native.ts';
import { removePartialFiles, replaceFile } from '../files/files.ts';
import { datasetsFolder, type Manifest } from './manifest.ts';

const record = z.object({ fingerprint: z.string(), files: z.array(z.string()) });

/** By the cheap check; undefined where the bytes have to be read. */
export async function knownFingerprint(home: string, { name, files }: Manifest): Promise<string | undefined> {
  const folder = join(datasetsFolder(home), name);
  try {
    const known = record.parse(JSON.parse(await readFile(recordOf(folder), 'utf8')));
    const found = await marksOf(folder, files);
    return isSame(known.files, found) ? known.fingerprint : undefined;
  } catch {
    return undefined;
  }
}

/** By the cheap check, else by reading all bytes. Fails with `data` where they cannot be read, and with `cancelled`. */
export async function contentFingerprint(home: string, dataset: Manifest, signal?: AbortSignal): Promise<string> {
  const known = await knownFingerprint(home, dataset);
  if (known !== undefined) return known;
  const folder = join(datasetsFolder(home), dataset.name);
  const before = await marksOf(folder, dataset.files);
  const job = native().openFingerprint(folder);
  const cancel = () => job.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    if (signal?.aborted) cancel();
    const fingerprint = await job.run();
    await keepFingerprint(folder, fingerprint, dataset.files, before);
    return fingerprint;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** Records that the files have this fingerprint; not where they have changed since `before`, or nothing can be written there. */
export async function keepFingerprint(
  folder: string,
  fingerprint: string,
  files: Manifest['files'],
  before?: string[],
): Promise<void> {
  const marks = await marksOf(folder, files);
  if (before && !isSame(before, marks)) return;
  const text = JSON.stringify({ fingerprint, files: marks } satisfies z.infer<typeof record>);
  await removePartialFiles(folder);
  await replaceFile(recordOf(folder), (file) => file.writeFile(text)).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
  });
}

const recordOf = (folder: string) => join(folder, 'verified.json');

const isSame = (a: string[], b: string[]) => JSON.stringify(a) === JSON.stringify(b);

async function marksOf(folder: string, files: Manifest['files']): Promise<string[]> {
  return await Promise.all(
    files.map(async ({ path }) => {
      const { size, mtimeNs, ctimeNs } = await stat(join(folder, path), { bigint: true });
      return `${path} ${size} ${mtimeNs} ${ctimeNs}`;
    }),
  );
}
