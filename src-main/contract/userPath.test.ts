import { expect, test } from 'vitest';
import { z } from 'zod';
import { appCommands } from './commands.ts';
import { checkedLater, pathsIn, textsOf, userPath } from './userPath.ts';

/** Texts that no command opens a file by: names that are looked up in lists, contents, and what is given back to pages as it came. */
const noPaths = [
  /^\w+\.(runId|sampleId|importId)$/,
  /^(getDataset|datasetPage|renameDataset|deleteDataset|startImport|renameRun)\.name$/,
  /^renameDataset\.to$/,
  /^(addDevice\.device\.(id|memory)|removeDevice\.device)$/,
  /^(inspectDataset|startImport)\.options\.((image|label|text)Column|range|folder|leaveOut|configuration|trainOn|fold|table|extensions|encoding)$/,
  /^(planRun|startRun)\.config\.(name|data\.dataset|devices\.\*(\.id|\.memory)?)$/,
  /^tryImage\.pixels$/,
  /^tryText\.prompt$/,
  /^saveSettings\.startFrom$/,
];

test('every text that a page can send is a path that it can be kept from, or known to be none', () => {
  const texts = Object.entries(appCommands).flatMap(([command, { params }]) =>
    textsOf(params).map(({ key, isPath }) => ({ key: `${command}.${key}`, isPath })),
  );
  const paths = texts.filter(({ isPath }) => isPath).map(({ key }) => key);
  expect(paths).toEqual([
    'planRun.config.subnetworks.plan',
    'startRun.config.subnetworks.plan',
    'chooseDataFolder.folder',
    'inspectDataset.paths.*',
    'inspectDataset.options.tokenizer',
    'startImport.paths.*',
    'startImport.options.tokenizer',
  ]);
  // A text that shows up here names a file (then its schema is userPath), or does not (then it belongs in the list above).
  const unknown = texts.filter(({ key, isPath }) => !isPath && !noPaths.some((known) => known.test(key)));
  expect(unknown).toEqual([]);
});

test('paths are found wherever a value has them', () => {
  const schema = z.strictObject({
    one: userPath(['word']).optional().describe('optional'),
    many: z.array(z.strictObject({ path: userPath().nullable() })).default([]),
    either: z.union([z.number(), userPath()]),
    raw: checkedLater(z.object({ inner: userPath() })).optional(),
    name: z.string(),
  });
  const value = { one: '/a', many: [{ path: '/b' }, { path: null }], either: '/c', raw: { inner: '/d' }, name: '/e' };
  expect(pathsIn(schema, value)).toEqual([
    { key: 'one', path: '/a' },
    { key: 'many.0.path', path: '/b' },
    { key: 'either', path: '/c' },
    { key: 'raw.inner', path: '/d' },
  ]);
  expect(pathsIn(schema, { one: 'word', either: 3, raw: ['x'], many: 'no list' })).toEqual([]);
});

test('a kind of schema that nobody has thought of is no way around', () => {
  expect(() => textsOf(z.object({ all: z.record(z.string(), z.string()) }))).toThrow(/record .* may hold paths/);
});
