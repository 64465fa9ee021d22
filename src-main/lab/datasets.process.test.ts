import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newHome, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

let home: string;
let lab: TestLab;
beforeAll(async () => {
  home = await newHome();
  lab = await openLab(home);
});
afterAll(async () => {
  await lab.close();
  await rm(home, { recursive: true, force: true });
});
const call = { signal: new AbortController().signal };

it('shows images with their labels, all or of one class, and where they end', async () => {
  const { datasetPage } = lab.app.handlers;
  const page = await datasetPage({ name: 'digits', split: 'test', from: 0, count: 3 }, call);
  expect(page).toMatchObject({ kind: 'images', total: 200, shape: [1, 28, 28] });
  const sevens = await datasetPage({ name: 'digits', split: 'test', from: 0, count: 60, label: 7 }, call);
  if (page.kind !== 'images' || sevens.kind !== 'images') throw new Error('not images');
  expect(page.images.map(({ index, label }) => [index, label])).toEqual([
    [0, 7],
    [1, 2],
    [2, 1],
  ]);
  expect(sevens.images[0]!.pixels).toBe(page.images[0]!.pixels);
  expect(sevens.images.every(({ label }) => label === 7)).toBe(true);
  const after = await datasetPage({ name: 'digits', split: 'test', from: 500, count: 3 }, call);
  expect(after).toMatchObject({ total: 200, images: [] });
  await expect(datasetPage({ name: '../digits', split: 'test', from: 0, count: 1 }, call)).rejects.toThrow(
    'there is no dataset "../digits"',
  );
});

it('a damaged dataset is told of, keeps its name from others, and can be deleted', async () => {
  const { deleteDataset, renameDataset, snapshot } = lab.app.handlers;
  await mkdir(join(home, 'datasets/broken'));
  const problem = `dataset broken is damaged: manifest.json cannot be read (ENOENT); remove its folder ${home}/datasets/broken and import it again`;
  expect((await snapshot({}, call)).damagedDatasets).toEqual([{ name: 'broken', problem }]);
  await expect(renameDataset({ name: 'digits', to: 'broken' }, call)).rejects.toThrow('already');
  await expect(renameDataset({ name: 'broken', to: 'mended' }, call)).rejects.toThrow(problem);
  await deleteDataset({ name: 'broken' }, call);
  expect(await readdir(join(home, 'datasets'))).toEqual(['digits']);
});

it('a dataset is renamed with the runs that use it, not while one is active, and deleted at last', async () => {
  const { getDataset, renameDataset, deleteDataset, getRun, snapshot } = lab.app.handlers;
  const runId = await lab.app.start(smallConfig({}));
  await expect(renameDataset({ name: 'digits', to: 'numbers' }, call)).rejects.toThrow(
    `run ${runId} uses dataset digits`,
  );
  await lab.app.whenEnded(runId);
  await expect(renameDataset({ name: 'digits', to: '../numbers' }, call)).rejects.toThrow('a name may contain letters');
  await expect(renameDataset({ name: 'digits', to: 'digits' }, call)).rejects.toThrow('already');
  await renameDataset({ name: 'digits', to: 'numbers' }, call);
  expect((await getRun({ runId }, call)).config.data.dataset).toBe('numbers');
  expect((await getDataset({ name: 'numbers' }, call)).uses).toEqual([{ runId, name: 'small', state: 'done' }]);
  await deleteDataset({ name: 'numbers' }, call);
  expect((await snapshot({}, call)).datasets).toEqual([]);
  await expect(deleteDataset({ name: 'numbers' }, call)).rejects.toThrow('there is no dataset');
});
