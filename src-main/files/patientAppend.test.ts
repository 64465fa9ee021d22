import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { PatientAppend } from './patientAppend.ts';

const record = (letter: string) => Buffer.from(`${letter.repeat(9999)}\n`);

it('what a full disk refuses is written once there is room, in order and whole', async (context) => {
  const mounted = await withSmallDisk('size=64k', async (disk) => {
    const [path, filler] = [join(disk, 'log'), join(disk, 'filler')];
    const file = await PatientAppend.open(path);
    file.add(record('a'), 1);
    await file.flush();
    await writeFile(filler, Buffer.alloc(48 * 1024));
    for (const letter of ['b', 'c']) {
      file.add(record(letter), 1);
      await file.flush();
    }
    expect(file.problem).toMatch(/^no space is left on the disk while writing .*log; free some and try again$/);
    expect(await readFile(path, 'utf8')).toBe(record('a').toString());
    await rm(filler);
    await file.close();
    expect(await readFile(path, 'utf8')).toBe([...'abc'].map(record).join(''));
    expect([file.missing, file.problem]).toEqual([0, '']);
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});

it('what never finds room is counted, the oldest first', async (context) => {
  const mounted = await withSmallDisk('size=8k', async (disk) => {
    const file = await PatientAppend.open(join(disk, 'log'), 25_000);
    for (const letter of ['a', 'b', 'c']) {
      file.add(record(letter), 2);
      await file.flush();
    }
    expect(file.missing).toBe(2);
    await file.close();
    expect(file.missing).toBe(6);
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});
