import { expect, test, vi } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { useCatalogueStore } from './catalogue.ts';
import { useConnectionStore } from './connection.ts';
import { useRunsStore } from './runs.ts';
import { datasetOf, snapshotOf, summaryOf, testApp } from './testApp.ts';

async function opened(handlers: Parameters<typeof testApp>[0]) {
  const app = testApp(handlers);
  const catalogue = useCatalogueStore();
  useConnectionStore().start(app.connect);
  await vi.waitUntil(() => catalogue.loaded || catalogue.problem);
  return { app, catalogue, runs: useRunsStore() };
}

test('loads the snapshot and follows runs, datasets and the data folder', async () => {
  const { app, catalogue, runs } = await opened({
    snapshot: () => snapshotOf([summaryOf('old', { createdAt: '2026-11-20T00:00:00Z' })], [datasetOf('mnist')]),
  });
  app.hub.emit('runChanged', { summary: summaryOf('new') });
  app.hub.emit('stepsAppended', { runId: 'new', columns: columnsOf(0, [[3, 2]]) });
  const dataFolder = { inUse: '/home', next: '/disk', chosen: true, fixed: false };
  app.hub.emit('dataFolderChosen', { dataFolder });
  app.hub.emit('datasetImported', { dataset: datasetOf('fashion') });
  await vi.waitUntil(() => catalogue.datasets.length === 2);
  expect(runs.summaries.map(({ id, step }) => [id, step])).toEqual([
    ['new', 2],
    ['old', 0],
  ]);
  expect(catalogue.dataFolder).toEqual(dataFolder);
  expect(catalogue.datasets.map(({ name }) => name)).toEqual(['fashion', 'mnist']);
});

test('events that the snapshot includes are not applied again', async () => {
  let release = () => {};
  const waiting = new Promise<void>((resolve) => (release = resolve));
  const app = testApp({
    snapshot: async () => {
      await waiting;
      const done = summaryOf('r', { state: 'done' });
      return { ...snapshotOf([done]), sequence: 1 };
    },
  });
  const catalogue = useCatalogueStore();
  const connection = useConnectionStore();
  connection.start(app.connect);
  await vi.waitUntil(() => connection.isOpen);
  app.hub.emit('runChanged', { summary: summaryOf('r', { state: 'training' }) });
  release();
  await vi.waitUntil(() => catalogue.loaded);
  expect(useRunsStore().summaries.map(({ state }) => state)).toEqual(['done']);
});

test('a snapshot that fails is told', async () => {
  const { catalogue } = await opened({
    snapshot: () => {
      throw new UserError('storage', 'the data folder cannot be read');
    },
  });
  expect([catalogue.loaded, catalogue.problem]).toEqual([false, 'the data folder cannot be read.']);
});

test('a sample that cannot start says why', async () => {
  const { runs } = await opened({
    startSample: () => {
      throw new UserError('conflict', 'another run is active');
    },
  });
  expect(await runs.startSample('mnist')).toBeNull();
  expect([runs.startError, runs.starting]).toEqual(['another run is active.', null]);
});
