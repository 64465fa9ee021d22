import { expect, test } from 'vitest';
import { howItEnded } from './deviceProcess.ts';
import { limitBehind, type ProcessLimits } from './processLimits.ts';

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
