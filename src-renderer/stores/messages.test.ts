import { expect, test } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import type { RunSummary } from '../../src-main/contract/run.ts';
import { errorText, nonFiniteText, silentSecs, stateLine } from './messages.ts';

const live = { connected: true, stopping: false, silentSecs: 0, steplessSecs: 0 };
const plain = (text: string) => text.replaceAll('\u00a0', ' ');

function summary(changes: Partial<RunSummary>): RunSummary {
  return {
    id: 'r1',
    name: 'run',
    state: 'training',
    reason: '',
    step: 12,
    steps: 1300,
    createdAt: '2026-11-21T00:00:00Z',
    accuracy: null,
    perplexity: null,
    fingerprint: '',
    warning: '',
    curve: { every: 1, means: [] },
    dataset: 'mnist',
    ...changes,
  };
}

test('every state has its line', () => {
  const lines = (
    ['preparing', 'training', 'evaluating', 'saving', 'stopped', 'done', 'failed', 'interrupted'] as const
  ).map((state) => stateLine(summary({ state }), live));
  expect(lines).toEqual([
    'Preparing: building graphs and starting device processes',
    'Training, step 12 of 1,300 done',
    'Evaluating the full network after step 12 of 1,300',
    'Saving a checkpoint after step 12 of 1,300',
    'Stopped after step 12 of 1,300',
    'Done after 12 steps',
    'Failed after step 12 of 1,300',
    'Interrupted after step 12 of 1,300: the app ended while it ran',
  ]);
});

test('reason and accuracy are part of the line', () => {
  expect(stateLine(summary({ state: 'stopped', reason: 'the window was closed' }), live)).toBe(
    'Stopped after step 12 of 1,300: the window was closed',
  );
  expect(plain(stateLine(summary({ state: 'done', step: 1300, accuracy: 0.9731 }), live))).toBe(
    'Done after 1,300 steps, accuracy 97.31 %',
  );
});

test('an active run without news says so, and without a connection only what was last known', () => {
  expect(plain(stateLine(summary({}), { ...live, steplessSecs: 14 }))).toBe(
    'Training, step 12 of 1,300 done; no step for 14 s',
  );
  expect(plain(stateLine(summary({}), { ...live, silentSecs: 14 }))).toBe(
    'Training, step 12 of 1,300 done; no sign of life of its devices for 14 s',
  );
  expect(stateLine(summary({}), { ...live, connected: false })).toBe(
    'Last known: training, step 12 of 1,300 done. No connection, so it may have moved on',
  );
  expect(stateLine(summary({ state: 'done' }), { ...live, connected: false })).toBe('Done after 12 steps');
  expect(stateLine(summary({}), { ...live, stopping: true })).toBe(
    'Training, step 12 of 1,300 done; stopping at the end of this step',
  );
});

test('a run in training is silent where that is longer than ten seconds and than five of its steps', () => {
  expect(silentSecs('training', 10_000, NaN)).toBe(0);
  expect(silentSecs('training', 12_400, 200)).toBe(12);
  expect(silentSecs('training', 12_400, 3000)).toBe(0);
  expect(silentSecs('evaluating', 12_400, 200)).toBe(0);
});

test('user errors are shown as sentences, bugs as unexpected', () => {
  expect(errorText(new UserError('data', 'there is no dataset "x"'))).toBe('there is no dataset "x".');
  expect(errorText(new Error('boom'))).toBe('Unexpected error: boom');
});

test('losses that are not finite are said in words', () => {
  expect(nonFiniteText([])).toBe('');
  expect(nonFiniteText([{ step: 7, worker: 2 }])).toBe('Loss of worker 2 was not finite at step 7 (1 value).');
  expect(
    nonFiniteText([
      { step: 7, worker: 2 },
      { step: 8, worker: 0 },
    ]),
  ).toBe('Loss of workers 0, 2 was not finite from step 7 to 8 (2 values).');
});
