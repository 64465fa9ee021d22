// Whether a process uses a processor: what tells one that hangs from one that computes for long, or waits for its turn.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Processor time of a process so far, in seconds; whether one of its threads runs, waits for its turn, or for a disk. */
export interface Activity {
  seconds: number;
  runs: boolean;
}

/** Units of a processor's time, as Linux tells programs on every machine. */
const ticksPerSecond = 100;

/** Null where the system does not tell, and where the process is gone. `root`: another root folder, for tests. */
export function readActivity(pid: number, root = '/'): Activity | null {
  const folder = join(root, `proc/${pid}`);
  try {
    // Behind the name, which may hold anything: state, and from the twelfth on user and system time.
    const fields = (path: string) =>
      readFileSync(path, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
    const threads = readdirSync(join(folder, 'task'));
    const states = threads.map((thread) => fields(join(folder, 'task', thread, 'stat'))[0]!);
    const all = fields(join(folder, 'stat'));
    return {
      seconds: (Number(all[11]) + Number(all[12])) / ticksPerSecond,
      runs: states.some((state) => state === 'R' || state === 'D'),
    };
  } catch {
    return null;
  }
}
