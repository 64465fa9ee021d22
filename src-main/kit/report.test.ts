import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { byType } from './profile.ts';
import { cellText, ReportFiles, toMarkdown, type KitReport } from './report.ts';
import { median, SectionLog } from './section.ts';

const report: KitReport = {
  device: 'cuda:0',
  machine: 'a card',
  date: '2026-11-28T00:00:00.000Z',
  commit: 'abc',
  firstFigureSeconds: 12.3,
  seconds: 60,
  sections: [
    {
      name: 'case',
      title: 'One case',
      state: 'failed',
      reason: 'it broke\nin two lines',
      seconds: 1.25,
      tables: [
        {
          title: 'Errors',
          columns: ['case', 'error'],
          rows: [
            ['a|b', 0.000012],
            ['c', null],
          ],
        },
      ],
      notes: ['A note.'],
    },
  ],
};

test('a report is a page of tables that names what failed and why', () => {
  expect(toMarkdown(report)).toBe(`# SDP Lab on a card

Device cuda:0, 2026-11-28T00:00:00.000Z, commit abc. 60 s in all; first figure after 12 s.

## One case (failed: it broke; in two lines)

1.3 s

A note.

Errors:

| case | error |
| --- | --- |
| a\\|b | 1.2e-5 |
| c |  |
`);
});

test('numbers keep three digits', () => {
  const cells = [0, 3, 12345, 1.2345, 12.345, 123.45, 1234.5, 0.0456, 1e-7, 1234567.5, NaN, 'x', null];
  expect(cells.map(cellText)).toEqual([
    '0',
    '3',
    '12345',
    '1.23',
    '12.3',
    '123',
    '1235',
    '0.0456',
    '1.0e-7',
    '1.2e+6',
    'NaN',
    'x',
    '',
  ]);
});

test('the files on the disk are always whole and end as the last report', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sdp-report-'));
  try {
    const files = new ReportFiles(folder);
    const writes = [1, 2, 3, 4].map((seconds) => files.write({ ...report, seconds }));
    await Promise.all(writes);
    expect(JSON.parse(await readFile(join(folder, 'gpu.json'), 'utf8'))).toEqual({ ...report, seconds: 4 });
    expect(await readFile(join(folder, 'gpu.md'), 'utf8')).toBe(toMarkdown({ ...report, seconds: 4 }));
    expect((await readdir(folder)).sort()).toEqual(['gpu.json', 'gpu.md']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a section tells of every row and note at once', () => {
  const told: string[] = [];
  const log = new SectionLog((found) => told.push(JSON.stringify(found)));
  const row = log.table('t', ['a']);
  row([1]);
  log.note('n');
  row([2]);
  expect(told.map((text) => JSON.parse(text) as unknown)).toEqual([
    { tables: [{ title: 't', columns: ['a'], rows: [[1]] }], notes: [] },
    { tables: [{ title: 't', columns: ['a'], rows: [[1]] }], notes: ['n'] },
    { tables: [{ title: 't', columns: ['a'], rows: [[1], [2]] }], notes: ['n'] },
  ]);
});

test('a profile is summed by node type over the runs that count', () => {
  const node = (name: string, op_name: string, dur: number) => ({
    cat: 'Node',
    name: `${name}_kernel_time`,
    dur,
    args: { op_name },
  });
  const runs = [1000, 3000, 5000].flatMap((dur) => [
    node('a', 'Conv', dur),
    node('b', 'Conv', dur),
    node('c', 'Add', 500),
  ]);
  const session = { cat: 'Session', name: 'model_run', dur: 9 };
  expect(byType([...runs, session], 3, 1)).toEqual([
    { type: 'Conv', nodes: 2, ms: 8 },
    { type: 'Add', nodes: 1, ms: 0.5 },
  ]);
});

test('the median of an even number of values is between the middle ones', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2.5, NaN]);
});
