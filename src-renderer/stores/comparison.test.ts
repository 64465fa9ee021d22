import { expect, test, vi } from 'vitest';
import { watch } from 'vue';
import { UserError } from '../../src-main/contract/errors.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { useComparisonStore } from './comparison.ts';
import { useConnectionStore } from './connection.ts';
import { detailOf, testApp } from './testApp.ts';

test('runs are asked for again when the page was hidden, stay meanwhile, and go with a reason where they cannot be had', async () => {
  let steps = 1;
  const app = testApp({
    getRun: ({ runId }) => {
      if (runId === 'gone' && steps > 1) throw new UserError('data', 'there is no run "gone"');
      const losses = Array.from({ length: steps }, (_, step) => step);
      return detailOf(runId, columnsOf(0, [losses, losses]));
    },
  });
  const connection = useConnectionStore();
  const comparison = useComparisonStore();
  connection.start(app.connect);
  await vi.waitUntil(() => connection.isOpen);
  comparison.choose(['a', 'gone']);
  await vi.waitUntil(() => !comparison.loading);
  connection.setVisible(false);
  await vi.waitUntil(() => !connection.live);
  app.hub.emit('stepsAppended', { runId: 'a', columns: columnsOf(1, [[1], [1]]) });
  steps = 2;
  const shown: string[] = [];
  const ids = () => comparison.runs.map(({ id }) => id).join(' ');
  watch(ids, (now) => shown.push(now), { flush: 'sync' });
  connection.setVisible(true);
  await vi.waitUntil(() => comparison.problems.size > 0 && comparison.runs[0]?.series.length === 2);
  expect(shown).toEqual(['a']);
  expect([...comparison.problems]).toEqual([['gone', 'there is no run "gone".']]);
});
