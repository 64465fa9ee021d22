import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { howItEnded } from './deviceProcess.ts';
import { killsSince, readMemoryKills } from './memoryKills.ts';

const gib = 2 ** 30;

/** A machine of files: another root folder. */
function machine(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'sdp-kills-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const write = (changed: Record<string, string>) => {
    for (const [path, text] of Object.entries(changed)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  write(files);
  return { look: () => readMemoryKills(root), write };
}

const vmstat = (count: number) => `nr_free_pages 12\noom_kill ${count}\nhtlb_buddy_alloc 0\n`;
const events = (count: number) => `low 0\nhigh 0\nmax 31\noom 2\noom_kill ${count}\noom_group_kill 0\n`;
const killed = { code: null, signal: 'SIGKILL', lastOutput: '' };

it('counts of the own control group, its limit and the machine are read from version 2', () => {
  const group = 'sys/fs/cgroup/user.slice/job-7';
  const { look, write } = machine({
    'proc/self/cgroup': '0::/user.slice/job-7\n',
    [`${group}/memory.events`]: events(1),
    [`${group}/memory.max`]: `${6 * gib}\n`,
    'sys/fs/cgroup/memory.events': events(50),
    'proc/vmstat': vmstat(4),
  });
  const before = look();
  expect([before.limit, killsSince(before, look())]).toEqual([6 * gib, null]);
  expect(howItEnded(killed, before, look())).toBe('signal SIGKILL');
  write({ [`${group}/memory.events`]: events(2), 'proc/vmstat': vmstat(5) });
  expect(howItEnded(killed, before, look(), 5.5 * gib)).toBe(
    'signal SIGKILL, most likely for lack of memory: the count of such ends in its control group rose from 1 to 2, it had 5.5 GiB, and its control group may use 6.0 GiB',
  );
  expect(howItEnded({ ...killed, signal: 'SIGSEGV' }, before, look())).toBe('signal SIGSEGV');
});

it('in a container of version 1, those that are mounted at the top', () => {
  const { look, write } = machine({
    'proc/self/cgroup': '5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n',
    'sys/fs/cgroup/memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
  });
  const before = look();
  expect(before.limit).toBeNull();
  write({ 'sys/fs/cgroup/memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n' });
  expect(howItEnded(killed, before, look())).toBe(
    'signal SIGKILL, most likely for lack of memory: the count of such ends in its control group rose from 0 to 1',
  );
});

it('a machine that counts nothing tells nothing', () => {
  const { look } = machine({});
  expect(killsSince(look(), look())).toBeNull();
});
