import { expect, test, vi } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import type { ImportOptions, ImportState, Verdict } from '../../src-main/contract/verdict.ts';
import { useCatalogueStore } from './catalogue.ts';
import { useConnectionStore } from './connection.ts';
import { useImportStore } from './importing.ts';
import { describeFound, describeLook, importProgress, namesOf, shortened, shortName } from './messages.ts';
import { snapshotOf, testApp } from './testApp.ts';

function verdictOf(paths: string[], changes: Partial<Verdict> = {}): Verdict {
  return {
    paths,
    name: 'beasts',
    format: { id: 'image-folder', title: 'folders of images, one per class' },
    alternatives: [],
    importable: true,
    exact: true,
    train: 9,
    test: 3,
    bytes: 9312,
    content: {
      kind: 'images',
      classes: [{ name: 'ant', train: 9, test: 3 }],
      looked: 12,
      unreadable: 0,
      sizes: [{ height: 16, width: 16, channels: 3, count: 12 }],
      sample: [3, 16, 16],
      storage: 'array',
      mean: [0, 0, 0],
      std: [1, 1, 1],
    },
    columns: [],
    problems: [],
    previews: [],
    account: [],
    options: {},
    seconds: 0.01,
    ...changes,
  };
}

const running: ImportState = {
  id: 'i1',
  name: 'beasts',
  paths: ['/beasts'],
  state: 'running',
  unit: 'samples',
  done: 3,
  total: 12,
  perSecond: 3,
  secondsLeft: 3,
  skipped: 1,
  reason: '',
};

async function open(app: ReturnType<typeof testApp>) {
  const connection = useConnectionStore();
  const catalogue = useCatalogueStore();
  connection.start(app.connect);
  await vi.waitUntil(() => catalogue.loaded);
  return useImportStore();
}

test('files are looked at first, a remedy looks again, and only start imports', async () => {
  const looked: ImportOptions[] = [];
  const started: unknown[] = [];
  const app = testApp({
    inspectDataset: ({ paths, options }) => {
      looked.push(options);
      return verdictOf(paths, { importable: options.skip === true });
    },
    startImport: (spec) => {
      started.push(spec);
      return { importId: 'i1' };
    },
  });
  const imports = await open(app);
  imports.path = ' /beasts ';
  await imports.inspectPath();
  expect([imports.verdict?.paths, imports.name, imports.importable]).toEqual([['/beasts'], 'beasts', false]);
  await imports.start();
  expect(started).toEqual([]);
  await imports.choose({ skip: true, size: 32 });
  await imports.choose({ size: undefined });
  expect([looked, imports.importable]).toEqual([[{}, { skip: true, size: 32 }, { skip: true }], true]);
  imports.name = 'mine ';
  await imports.start();
  expect(started).toEqual([{ paths: ['/beasts'], options: { skip: true }, name: 'mine' }]);
  expect([imports.path, imports.verdict, imports.options]).toEqual(['', null, {}]);
});

test('what has a path is looked at where it lies, and nothing is said to be nothing', async () => {
  const app = testApp({ inspectDataset: ({ paths }) => verdictOf(paths) });
  const imports = await open(app);
  await imports.offer({ paths: ['/data/beasts', '/data/more'] });
  expect([imports.verdict?.paths, imports.importable]).toEqual([['/data/beasts', '/data/more'], true]);
  await imports.offer({ paths: [] });
  expect([imports.verdict, imports.problem]).toEqual([null, 'There are no files in it.']);
  await imports.offer({ files: Promise.reject(new UserError('data', 'the folder cannot be read')) });
  expect(imports.problem).toBe('the folder cannot be read.');
});

test('an answer that was overtaken is dropped, and a failure says why and lets nothing be imported', async () => {
  const answers: ((verdict: Verdict) => void)[] = [];
  const app = testApp({
    inspectDataset: ({ paths, options }) => {
      if (options.tokenizer) throw new UserError('data', '/none.json does not exist');
      return new Promise((resolve) => answers.push((verdict) => resolve({ ...verdict, paths })));
    },
  });
  const imports = await open(app);
  imports.path = '/a';
  const first = imports.inspectPath();
  imports.path = '/b';
  const second = imports.inspectPath();
  await vi.waitUntil(() => answers.length === 2);
  answers[1]!(verdictOf([]));
  await second;
  answers[0]!(verdictOf([]));
  await first;
  expect([imports.verdict?.paths, imports.inspecting]).toEqual([['/b'], false]);
  await imports.choose({ tokenizer: '/none.json' });
  expect([imports.problem, imports.importable]).toEqual(['/none.json does not exist.', false]);
  imports.clear();
  expect([imports.problem, imports.source]).toEqual(['', null]);
});

test('imports under way are known from the snapshot, follow their events, and can be cancelled', async () => {
  const cancelled: string[] = [];
  const app = testApp({
    snapshot: () => ({ ...snapshotOf([]), sequence: app.hub.sequence, imports: [running] }),
    cancelImport: ({ importId }) => {
      cancelled.push(importId);
      return { ...running, state: 'cancelled' };
    },
  });
  const imports = await open(app);
  expect(imports.imports).toEqual([running]);
  const other = { ...running, id: 'i2', name: 'other' };
  app.hub.emit('importChanged', { import: other });
  app.hub.emit('importChanged', { import: { ...running, done: 12 } });
  await vi.waitUntil(() => imports.imports.length === 2 && imports.imports[1]!.done === 12);
  expect(imports.imports.map(({ id, done }) => [id, done])).toEqual([
    ['i2', 3],
    ['i1', 12],
  ]);
  await imports.cancel('i1');
  expect(cancelled).toEqual(['i1']);
});

test('a verdict and the progress of an import are told in words', () => {
  expect(describeFound(verdictOf(['/beasts']))).toEqual([
    '9 training and 3 validation samples, 9.1\u00a0KiB when imported',
    '1 class',
    'Images of 16 x 16 colour (12)',
    'The model gets 16 x 16 colour; kept decoded',
  ]);
  const text = { kind: 'tokens' as const, documents: 1, characters: 3783, tokenizer: 'bytes', vocabulary: 257 };
  expect(describeFound(verdictOf([], { content: text })).slice(1)).toEqual([
    '1 document, 3,783 characters',
    'Tokenizer: bytes, vocabulary of 257',
  ]);
  expect(describeFound(verdictOf([], { content: null }))).toEqual([]);
  const { content, ...rest } = verdictOf([], { exact: false, train: 89_000, test: 10_997 });
  const many: Verdict = { ...rest, content: { ...(content as object), looked: 2048, unreadable: 3 } as typeof content };
  expect(describeFound(many)[1]).toBe('Of 2,048 images that were looked at, 3 cannot be read and are not counted');
  expect(describeLook(many)).toBe(', at 2,048 of 100,000 images: figures are estimates');
  expect(describeLook(verdictOf([]))).toBe('');
  expect(importProgress(running)).toBe('3 of 12 samples, 3/s, 3.0\u00a0s left, 1 left out');
  expect(shortened('/data/beasts/ant/1.jpg is cut off', '/data/beasts')).toBe('ant/1.jpg is cut off');
  expect(shortened('/data/a', '')).toBe('/data/a');
  expect(shortName('/data/a.csv row 3', '/data/a.csv')).toBe('a.csv row 3');
  expect(shortName('C:\\data\\ant\\1.jpg', 'C:\\data')).toBe('ant\\1.jpg');
  expect(namesOf(['/data/a/', '/b', 'C:\\c', '/d', '/e'])).toBe('a, b, c, 2 more');
});
