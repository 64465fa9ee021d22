// Memory that a process can take without another having to give any up.

import { freemem } from 'node:os';
import { groupLimit, groupUse } from './controlGroup.ts';

/** Bytes, of the machine or of the control group, whichever has less. `root` and `free`: for tests. */
export function availableMemory(root = '/', free = freemem()): number {
  const limit = groupLimit(root);
  return limit === null ? free : Math.min(free, Math.max(0, limit - groupUse(root)));
}
