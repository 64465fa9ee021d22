import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { howItEnded } from './deviceProcess.ts';
import { lacksThreads, limitBehind, type ProcessLimits } from './processLimits.ts';

const none: ProcessLimits = { addressBytes: Infinity, dataBytes: Infinity, tasks: Infinity, openFiles: Infinity };
const tight: ProcessLimits = { addressBytes: 2 ** 30, dataBytes: 2 ** 29, tasks: 30, openFiles: 64 };

test.each([
  ['#\n# Fatal process OOM in Failed to reserve virtual memory for CodeRange\n#', 'lack of memory'],
  ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory', 'lack of memory'],
  ["terminate called after throwing an instance of 'std::bad_alloc'", 'lack of memory'],
  ['memory allocation of 4096 bytes failed', 'lack of memory'],
  ['node[7]: pthread_create: Resource temporarily unavailable', 'processes and threads'],
  ['spawn /usr/bin/node EAGAIN', 'processes and threads'],
  ['Error: EMFILE: too many open files, open', 'files open'],
])('%s tells of a limit', (words, limit) => {
  expect(limitBehind(words, false, none)).toContain(limit);
  expect(limitBehind(words, false, tight)).toMatch(/ulimit -[vdun]\)[^(]*; raise that limit$/);
});

test('the limits that are set are named, and nothing is said where nothing tells', () => {
  expect(limitBehind('out of memory', false, tight)).toBe(
    'for lack of memory: a process may take 1.0 GiB of address space (ulimit -v) and 512.0 MiB of data (ulimit -d); raise that limit',
  );
  expect(limitBehind('', true, tight)).toBe(
    'since this user may have no more processes and threads, 30 (ulimit -u); raise that limit',
  );
  expect(limitBehind('', true, none)).toBeNull();
  expect(limitBehind('', false, tight)).toBeNull();
  expect(limitBehind('TypeError: x is not a function', true, tight)).toBeNull();
});

test('an end without a known cause is told by the last line that says something', () => {
  const stack = ' 1: 0xb8fda8 node::Abort() [node]\n 2: 0xbb835e _start [node]\n';
  const lastOutput = `node[7]: node.cc:12: Assertion failed.\n${stack}\n#\n`;
  expect(howItEnded({ code: null, signal: 'SIGABRT', lastOutput })).toBe(
    'signal SIGABRT: node[7]: node.cc:12: Assertion failed.',
  );
});

test('a process that waits for threads of its own is told from one that has them, or is stopped', () => {
  const root = mkdtempSync(join(tmpdir(), 'sdp-limits-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'proc/7'), { recursive: true });
  const lacks = (state: string, threads: number, limits = tight) => {
    writeFileSync(join(root, 'proc/7/status'), `Name:\tnode\nState:\t${state}\nVmSize:\t 5 kB\nThreads:\t${threads}\n`);
    return lacksThreads(7, root, limits);
  };
  expect(lacks('S (sleeping)', 4)).toBe(true);
  expect(lacks('S (sleeping)', 7)).toBe(false);
  expect(lacks('T (stopped)', 4)).toBe(false);
  expect(lacks('S (sleeping)', 4, none)).toBe(false);
  expect(lacksThreads(8, root, tight)).toBe(false);
});
