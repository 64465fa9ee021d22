// What the system says of processes that it has ended for lack of memory: counts of Linux, of the control group that this process is in
// (a container's, a service's, a job's) and of the whole machine.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryKills {
  /** Of each place that counts, as it is called in a sentence. */
  counts: Map<string, number>;
  /** Bytes that the control group may use; null where it has no limit. */
  limit: number | null;
}

/** `root`: another root folder, for tests. */
export function readMemoryKills(root = '/'): MemoryKills {
  const groups = read(root, 'proc/self/cgroup').split('\n');
  const pathIn = (controllers: string) => groups.find((line) => line.includes(`:${controllers}:`))?.split(':')[2] ?? '';
  // In a container the group's own path may not be there; what is mounted at the top is the container's then.
  const first = (base: string, path: string, file: string) =>
    read(root, join(base, path, file)) || read(root, join(base, file));
  const found: [place: string, text: string][] = [
    ['control group', first('sys/fs/cgroup', pathIn(''), 'memory.events')],
    ['control group', first('sys/fs/cgroup/memory', pathIn('memory'), 'memory.oom_control')],
    ['machine', read(root, 'proc/vmstat')],
  ];
  const counts = found.flatMap(([place, text]): [string, number][] => {
    const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
    return count === undefined ? [] : [[place, Number(count)]];
  });
  const limits = [
    first('sys/fs/cgroup', pathIn(''), 'memory.max'),
    first('sys/fs/cgroup/memory', pathIn('memory'), 'memory.limit_in_bytes'),
  ];
  // Version 1 writes "none" as a number beyond any memory.
  const limit = limits.map((text) => Number(text.trim() || NaN)).find((bytes) => bytes < 2 ** 60) ?? null;
  return { counts: new Map(counts), limit };
}

/** Where the system has ended a process for lack of memory since `before`; null where it has not, or does not tell. */
export function killsSince(before: MemoryKills, now: MemoryKills): string | null {
  for (const [place, count] of now.counts) {
    const earlier = before.counts.get(place);
    if (earlier !== undefined && count > earlier)
      return `the count of such ends in its ${place} rose from ${earlier} to ${count}`;
  }
  return null;
}

function read(root: string, path: string): string {
  try {
    return readFileSync(join(root, path), 'utf8');
  } catch {
    return '';
  }
}
