// What the system says of processes that it has ended for lack of memory: counts of Linux, of the control group that this process is in
// (a container's, a service's, a job's) and of the whole machine.

import { groupFiles, groupLimit, readText } from './controlGroup.ts';

export interface MemoryKills {
  /** Of each place that counts, as it is called in a sentence. */
  counts: Map<string, number>;
  /** Bytes that the control group may use; null where it has no limit. */
  limit: number | null;
}

/** `root`: another root folder, for tests. */
export function readMemoryKills(root = '/'): MemoryKills {
  const [version2, version1] = groupFiles(root, 'memory.events', 'memory.oom_control');
  const found: [place: string, text: string][] = [
    ['control group', version2],
    ['control group', version1],
    ['machine', readText(root, 'proc/vmstat')],
  ];
  const counts = found.flatMap(([place, text]): [string, number][] => {
    const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
    return count === undefined ? [] : [[place, Number(count)]];
  });
  return { counts: new Map(counts), limit: groupLimit(root) };
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
