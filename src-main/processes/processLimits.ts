// Limits that the operating system sets to processes (ulimit), as what is behind the end of one. Device processes have those of this one.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '../contract/bytes.ts';

export interface ProcessLimits {
  addressBytes: number;
  dataBytes: number;
  /** Processes and threads of this user. */
  tasks: number;
  openFiles: number;
}

/** Soft limits; Infinity where there is none, or the system does not tell. `root`: another root folder, for tests. */
export function readLimits(root = '/'): ProcessLimits {
  const text = readOptional(join(root, 'proc/self/limits'));
  const of = (name: string) => Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(text)?.[1] ?? Infinity);
  return {
    addressBytes: of('Max address space'),
    dataBytes: of('Max data size'),
    tasks: of('Max processes'),
    openFiles: of('Max open files'),
  };
}

/** Addresses that this process may still take; Infinity where nothing limits them, or the system does not tell. */
export function addressBytesLeft(root = '/'): number {
  const taken = /^VmSize:\s+(\d+) kB/m.exec(readOptional(join(root, 'proc/self/status')))?.[1];
  return taken === undefined ? Infinity : readLimits(root).addressBytes - 1024 * Number(taken);
}

/** What an end with these last words comes from, as a clause with what to do; null where nothing says so. */
export function limitBehind(lastOutput: string, isAborted: boolean, limits = readLimits()): string | null {
  const { tasks, openFiles } = limits;
  const count = (most: number, what: string) => (most === Infinity ? '' : `, ${most} ${what}`);
  // The library under Node ends a process without a word where it can start no thread.
  if (noTask.test(lastOutput) || (isAborted && lastOutput.trim() === '' && tasks < Infinity))
    return `since ${noMoreTasks(tasks)}`;
  if (noFile.test(lastOutput))
    return `since a process may have no more files open${count(openFiles, '(ulimit -n)')}; raise that limit`;
  if (!noMemory.test(lastOutput)) return null;
  const set = [
    { most: limits.addressBytes, name: 'address space (ulimit -v)' },
    { most: limits.dataBytes, name: 'data (ulimit -d)' },
  ].filter(({ most }) => most < Infinity);
  if (set.length === 0) return 'for lack of memory';
  const named = set.map(({ most, name }) => `${formatBytes(most)} of ${name}`).join(' and ');
  return `for lack of memory: a process may take ${named}; raise that limit`;
}

/**
 * Whether a process that does not answer waits for threads of its own: Node.js 20 starts seven, and where the system refuses one of the first it
 * waits for it without end. Linux tells; elsewhere it is never known.
 */
export function lacksThreads(pid: number, root = '/', limits = readLimits(root)): boolean {
  const status = readOptional(join(root, `proc/${pid}/status`));
  const [, state] = /^State:\s+(\w)/m.exec(status) ?? [];
  const [, threads] = /^Threads:\s+(\d+)/m.exec(status) ?? [];
  return limits.tasks < Infinity && state === 'S' && Number(threads) < 7;
}

export const noMoreTasks = (most: number): string =>
  `this user may have no more processes and threads${most === Infinity ? '' : `, ${most} (ulimit -u)`}; raise that limit`;

const noTask = /pthread_create|thread_create|spawn thread|EAGAIN|Resource temporarily unavailable/;
const noFile = /EMFILE|too many open files/i;
const noMemory =
  /\bOOM\b|out of memory|bad_alloc|memory allocation|allocat\w+ failed|allocate memory|ENOMEM|virtual memory/i;

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
