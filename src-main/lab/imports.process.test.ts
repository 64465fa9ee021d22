// Imports as the window starts them: at once an id, then events until the end; cancelled and failed ones leave nothing.

import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ImportState } from '../contract/verdict.ts';
import { samplePath } from '../data/samples.ts';
import { openLab, type TestLab } from '../testing/lab.ts';

let lab: TestLab;
const context = { signal: AbortSignal.timeout(60_000) };
beforeEach(async () => {
  lab = await openLab(await mkdtemp(join(tmpdir(), 'sdp-imports-')));
});
afterEach(async () => {
  await lab.close();
  await rm(lab.home, { recursive: true });
});

/** Resolves with the states of an import, from its start on, when one is as wanted; by default when it has ended. */
function followed(wanted = ({ state }: ImportState): boolean => state !== 'running'): Promise<ImportState[]> {
  const states: ImportState[] = [];
  return new Promise((resolve) => {
    lab.app.events.subscribe((event) => {
      if (event.name !== 'importChanged') return;
      const state = event.payload.import;
      states.push(state);
      if (wanted(state)) resolve(states);
    });
  });
}

it('tells progress and the dataset', async () => {
  const ended = followed();
  const { importId } = await lab.app.handlers.startImport(
    { paths: [samplePath('mnist')], name: 'mnist', options: {} },
    context,
  );
  const states = await ended;
  expect(states.every(({ id }) => id === importId)).toBe(true);
  expect(states.at(-1)).toMatchObject({ state: 'done', name: 'mnist', done: 70_000, total: 70_000 });
  const { datasets } = await lab.app.handlers.snapshot({}, context);
  expect(datasets.map(({ name }) => name)).toEqual(['mnist']);
});

it('that is cancelled leaves nothing', async () => {
  const ended = followed();
  const spec = { paths: [samplePath('mnist')], name: 'mnist', options: { size: 96 } };
  const underWay = followed(({ done }) => done > 0);
  const { importId } = await lab.app.handlers.startImport(spec, context);
  await underWay;
  expect(await lab.app.handlers.cancelImport({ importId }, context)).toMatchObject({ state: 'cancelled' });
  expect((await ended).at(-1)).toMatchObject({ state: 'cancelled' });
  expect(await readdir(join(lab.home, 'datasets'))).toEqual([]);
});

it('that fails says why in a sentence', async () => {
  const path = join(lab.home, 'train-images-idx3-ubyte');
  await copyFile(join(samplePath('mnist'), 'train-labels-idx1-ubyte'), path);
  const ended = followed();
  await lab.app.handlers.startImport({ paths: [path], name: 'odd', options: {} }, context);
  const last = (await ended).at(-1)!;
  expect(last.state).toBe('failed');
  expect(last.reason).toMatch(/train-images-idx3-ubyte/);
  expect(await readdir(join(lab.home, 'datasets'))).toEqual([]);
});
