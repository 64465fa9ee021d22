import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { availableMemory } from './availableMemory.ts';

const free = 8000;
const used = { 'memory.current': '5000\n', 'memory.stat': 'anon 3000\ninactive_file 1500\n' };
const usedBefore2 = { 'memory.usage_in_bytes': '5000\n', 'memory.stat': 'inactive_file 1\ntotal_inactive_file 1500\n' };

it.each([
  ['the machine', {}, free],
  ['a group without a limit', inGroup('0::/job', '', { 'memory.max': 'max\n', ...used }), free],
  [
    'a group of version 2, without what it can give back',
    inGroup('0::/job', '', { 'memory.max': '6000\n', ...used }),
    2500,
  ],
  ['a group that is full', inGroup('0::/job', '', { 'memory.max': '3000\n', ...used }), 0],
  ['a machine with less than the group', inGroup('0::/job', '', { 'memory.max': '90000\n', ...used }), free],
  [
    'a group of version 1',
    inGroup('4:memory:/job', 'memory', { 'memory.limit_in_bytes': '6000\n', ...usedBefore2 }),
    2500,
  ],
])('what is available is that of %s', async (_, files, expected) => {
  const root = await mkdtemp(join(tmpdir(), 'sdp-memory-'));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  expect(availableMemory(root, free)).toBe(expected);
  await rm(root, { recursive: true });
});

function inGroup(line: string, folder: string, files: Record<string, string>): Record<string, string> {
  const placed = Object.entries(files).map(([name, text]) => [join('sys/fs/cgroup', folder, 'job', name), text]);
  return { 'proc/self/cgroup': `${line}\n`, ...(Object.fromEntries(placed) as Record<string, string>) };
}
