// Files of the control group that this process is in: a container's, a service's, a job's.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Text of a file of the memory controller, in version 2 and in version 1 of control groups; empty where there is none. `root`: for tests. */
export function groupFiles(root: string, version2: string, version1: string): [version2: string, version1: string] {
  const groups = readText(root, 'proc/self/cgroup').split('\n');
  const pathIn = (controllers: string) => groups.find((line) => line.includes(`:${controllers}:`))?.split(':')[2] ?? '';
  // In a container the group's own path may not be there; what is mounted at the top is the container's then.
  const first = (base: string, path: string, file: string) =>
    readText(root, join(base, path, file)) || readText(root, join(base, file));
  return [first('sys/fs/cgroup', pathIn(''), version2), first('sys/fs/cgroup/memory', pathIn('memory'), version1)];
}

/** Bytes that it may use; null where it has no limit. */
export function groupLimit(root: string): number | null {
  // Version 1 writes "none" as a number beyond any memory.
  return numbers(groupFiles(root, 'memory.max', 'memory.limit_in_bytes')).find((bytes) => bytes < 2 ** 60) ?? null;
}

/** Bytes that it uses, without what it could give back at once; 0 where that is not told. */
export function groupUse(root: string): number {
  const [used] = numbers(groupFiles(root, 'memory.current', 'memory.usage_in_bytes')).filter(Number.isFinite);
  const stats = groupFiles(root, 'memory.stat', 'memory.stat').join('\n');
  // Version 1 tells those of the groups below apart.
  const cached = /^total_inactive_file (\d+)$/m.exec(stats) ?? /^inactive_file (\d+)$/m.exec(stats);
  return Math.max(0, (used ?? 0) - Number(cached?.[1] ?? 0));
}

const numbers = (texts: string[]): number[] => texts.map((text) => Number(text.trim() || NaN));

export function readText(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}
