import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { byType } from './profile.ts';
import { cellText, ReportFiles, toMarkdown, type KitReport } from './report.ts';
import { lastWords } from './sectionProcess.ts';
import { median, messageOf, SectionLog } from './section.ts';

const plain = { reason: '', seconds: 1, headlines: [], tables: [], notes: [], problems: [] };
const report: KitReport = {
  device: 'cuda:0',
  machine: 'a card',
  date: '2026-11-28T00:00:00.000Z',
  commit: 'abc',
  firstFigureSeconds: 12.3,
  seconds: 60,
  sections: [
    {
      ...plain,
      name: 'cases',
      title: 'The cases',
      state: 'failed',
      reason: '2 faults',
      seconds: 1.25,
      headlines: ['1 of 2 cases is right.'],
      tables: [
        {
          title: 'Errors',
          columns: ['case', 'error'],
          rows: [
            ['a|b', 0.000012],
            ['c', null],
          ],
        },
        { title: 'Nothing', columns: ['x'], rows: [] },
      ],
      notes: ['A note.'],
      problems: ['c: it broke\nin two lines', 'd: it hung'],
    },
    { ...plain, name: 'llama', title: 'LLaMA', state: 'ok' },
    { ...plain, name: 'copies', title: 'Copies', state: 'skipped', reason: 'it is a CPU' },
    { ...plain, name: 'webgpu', title: 'WebGPU', state: 'cut', reason: 'no time was left' },
  ],
};

test('a report begins with how it stands and its chief figures, then tells what failed and why', () => {
  expect(toMarkdown(report)).toBe(`# SDP Lab on a card

**NOT ALL IS WELL.** 1 of 3 sections that apply to cuda:0 are well. Failed: The cases. Cut off: WebGPU.

- 1 of 2 cases is right.

Device cuda:0, 2026-11-28T00:00:00.000Z, commit abc. 60 s in all; first figure after 12 s.

| section | state | seconds |
| --- | --- | --- |
| The cases | failed | 1 |
| LLaMA | ok | 1 |
| Copies | skipped | 1 |
| WebGPU | cut | 1 |

## The cases

**failed**: 2 faults:

- c: it broke; in two lines
- d: it hung

1.3 s

A note.

Errors:

| case | error |
| --- | --- |
| a\\|b | 1.2e-5 |
| c |  |

## LLaMA

1.0 s

## Copies

**skipped**: it is a CPU

## WebGPU

**cut**: no time was left

1.0 s
`);
});

test('a report says that it runs, or that all is well', () => {
  const head = (...states: ('ok' | 'running' | 'skipped')[]) => {
    const sections = states.map((state, i) => ({ ...plain, name: `s${i}`, title: `S${i}`, state }));
    return toMarkdown({ ...report, machine: '', firstFigureSeconds: null, sections }).split('\n');
  };
  expect(head('ok', 'running')[2]).toBe('**Not done.** 1 of 2 sections that apply to cuda:0 are well. Running: S1.');
  expect(head('ok', 'skipped')[2]).toBe('**All is well.** 1 of 1 sections that apply to cuda:0 are well.');
  expect(head('ok')[0]).toBe('# SDP Lab on cuda:0');
  expect(head('ok')[4]).toBe('Device cuda:0, 2026-11-28T00:00:00.000Z, commit abc. 60 s in all; no figure yet.');
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

test('a section tells of every row, note and fault at once', () => {
  const told: unknown[] = [];
  const log = new SectionLog((found) => told.push(structuredClone(found)));
  const row = log.table('t', ['a']);
  row([1]);
  log.note('n');
  log.headline('h');
  log.problem('p', new Error('why\nand more'));
  const nothing = { headlines: [], tables: [{ title: 't', columns: ['a'], rows: [[1]] }], notes: [], problems: [] };
  expect(told).toEqual([
    nothing,
    { ...nothing, notes: ['n'] },
    { ...nothing, notes: ['n'], headlines: ['h'] },
    { ...nothing, notes: ['n'], headlines: ['h'], problems: ['p: why'] },
  ]);
});

test('what is wrong in the same way in many places is told once', () => {
  const log = new SectionLog(() => undefined);
  for (const place of ['a', 'b', 'c', 'd', 'e', 'f']) log.problem(place, 'no card');
  log.problem('g', 'no memory');
  log.problem('h', 'no memory');
  expect(log.found.problems).toEqual(['a; b; c; d; 2 more: no card', 'g; h: no memory']);
});

test('of what the runtime says of a failure, node and cause are kept', () => {
  const told = (node: number) =>
    `ONNX Runtime failed: Non-zero status code returned while running Conv node. Name:'conv1:Conv#${node}' Status Message: no engine with the cudnn frontend json:\n{"a":1}`;
  expect(messageOf(new Error(told(7)))).toBe('ONNX Runtime failed: Conv "conv1:Conv#7": no engine');
  const log = new SectionLog(() => undefined);
  log.problem('a', new Error(told(7)));
  log.problem('b', new Error(told(8)));
  expect(log.found.problems).toEqual(['a; b: ONNX Runtime failed: Conv "conv1:Conv#8": no engine']);
});

test('of what a process wrote before it died, the line that says most is kept', () => {
  const trace = 'x.js:3\n  throw new Error("no card");\n  ^\n\nError: no card\n    at f (x.js:3)\n\nNode.js v22.1.0\n';
  expect(lastWords(trace)).toBe('Error: no card');
  expect(lastWords('one\ntwo\n')).toBe('two');
  expect(lastWords('')).toBe('');
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
