import { expect, test, vi } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import { parseRunConfig } from '../../src-main/contract/runConfig.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { useConnectionStore } from './connection.ts';
import { useDraftStore } from './draft.ts';
import { detailOf, minimalConfig, testApp } from './testApp.ts';

const plan = detailOf('r', columnsOf(0, [[1], [1]])).plan!;

async function opened(handlers: Parameters<typeof testApp>[0]) {
  const app = testApp(handlers);
  const connection = useConnectionStore();
  connection.start(app.connect);
  await vi.waitUntil(() => connection.isOpen);
  return useDraftStore();
}

test('plans what it begins with, and again after a change', async () => {
  const planRun = vi.fn(({ config }: { config?: unknown }) => ({
    ...plan,
    coverage: parseRunConfig(config).subnetworks.coverage,
  }));
  const draft = await opened({ planRun });
  draft.begin(minimalConfig);
  await vi.waitUntil(() => draft.current);
  expect(draft.plan?.coverage).toBe(2);
  draft.set('subnetworks.coverage', '1');
  expect(draft.current).toBe(false);
  await vi.waitUntil(() => draft.current);
  await vi.waitUntil(() => draft.whole);
  // The comparison with plain data parallelism is the same for both.
  expect([draft.plan?.coverage, planRun.mock.calls.length]).toEqual([1, 3]);
});

test('an error is put at its field, and the last plan is kept but not taken for current', async () => {
  const draft = await opened({ planRun: () => plan });
  draft.begin(minimalConfig);
  await vi.waitUntil(() => draft.current);
  draft.set('subnetworks.coverage', '7');
  await vi.waitUntil(() => draft.problem);
  expect(draft.problem).toEqual({
    key: 'subnetworks.coverage',
    field: 'subnetworks.coverage',
    text: 'subnetworks.coverage must be from 1 to the number of workers, 2, got 7.',
  });
  expect([draft.plan === null, draft.current, draft.planning]).toEqual([false, false, false]);
});

test('an error that only the app can find is put at its field too', async () => {
  const draft = await opened({
    planRun: () => {
      throw new UserError('data', 'there is no dataset "mnist"', { key: 'data.dataset' });
    },
  });
  draft.begin(minimalConfig);
  await vi.waitUntil(() => draft.problem);
  expect(draft.problem).toEqual({ key: 'data.dataset', field: 'data.dataset', text: 'there is no dataset "mnist".' });
});

test('starts the configuration as it stands', async () => {
  const started: unknown[] = [];
  const draft = await opened({
    planRun: () => plan,
    startRun: ({ config }) => {
      started.push(config);
      return { runId: 'new' };
    },
  });
  draft.begin(minimalConfig);
  draft.set('training.steps', '12');
  expect(await draft.start()).toBe('new');
  expect(started).toEqual([{ ...minimalConfig, training: { ...minimalConfig.training, steps: 12 } }]);
});
