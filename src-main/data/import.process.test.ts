// An import that is killed, in a process of its own, goes on where its journal says and ends as if nothing had happened.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { cliPath } from '../testing/lab.ts';
import { importDataset } from './import.ts';
import type { Manifest } from './manifest.ts';
import { samplePath } from './samples.ts';

/** Kills the import of the sample at a size when its journal is there; false where it was done before. */
async function killedImport(home: string, size: number): Promise<boolean> {
  const args = [cliPath, 'import', samplePath('mnist'), '--name', 'digits', '--size', String(size)];
  const child = spawn(process.execPath, args, { env: { ...process.env, SDP_HOME: home }, stdio: 'ignore' });
  const exit = once(child, 'exit');
  const journal = join(home, 'datasets/.partial-digits/journal.json');
  while (child.exitCode === null) {
    const isThere = await access(journal).then(
      () => true,
      () => false,
    );
    if (isThere) child.kill('SIGKILL');
    await Promise.race([exit, delay(5)]);
    if (child.signalCode) return true;
  }
  return false;
}

/** At the first of these sizes at which this machine takes long enough to be interrupted. */
async function interrupted(home: string): Promise<number> {
  for (const size of [64, 128, 256]) {
    if (await killedImport(home, size)) return size;
    await rm(join(home, 'datasets/digits'), { recursive: true });
  }
  throw new Error('every import ended before it could be killed');
}

it('goes on behind the last mark of its journal, to the same bytes', async () => {
  const home = await mkdtemp(join(tmpdir(), 'sdp-data-'));
  try {
    const size = await interrupted(home);
    const partial = join(home, 'datasets/.partial-digits');
    const { next } = JSON.parse(await readFile(join(partial, 'journal.json'), 'utf8')) as { next: number };
    expect(next).toBeGreaterThan(0);
    expect(await readdir(join(home, 'datasets'))).toEqual(['.partial-digits']);
    const done: number[] = [];
    const options = { size };
    const spec = { paths: [samplePath('mnist')], home, options };
    await importDataset({ ...spec, name: 'digits', onProgress: (progress) => done.push(progress.done) });
    expect(Math.min(...done.filter((count) => count > 0))).toBeGreaterThanOrEqual(next);
    await importDataset({ ...spec, name: 'whole' });
    const [resumed, whole] = await Promise.all(
      ['digits', 'whole'].map(
        async (name) => JSON.parse(await readFile(join(home, 'datasets', name, 'manifest.json'), 'utf8')) as Manifest,
      ),
    );
    expect(resumed!.fingerprint).toBe(whole!.fingerprint);
    expect({ ...resumed, name: '', importedAt: '' }).toEqual({ ...whole, name: '', importedAt: '' });
    expect((await readdir(join(home, 'datasets'))).sort()).toEqual(['digits', 'whole']);
  } finally {
    await rm(home, { recursive: true });
  }
}, 120_000);
