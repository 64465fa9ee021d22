// A file system of a few megabytes, for tests of full and of read-only disks. Only root can mount one.

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `options` as mount takes them (`size=5m`). Returns false, without calling `use`, where mounting is not permitted. */
export async function withSmallDisk(options: string, use: (folder: string) => Promise<void>): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'sdp-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    await rm(folder, { recursive: true });
    return false;
  }
  try {
    await use(folder);
    return true;
  } finally {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  }
}
