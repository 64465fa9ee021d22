import { afterEach, expect, test, vi } from 'vitest';
import { watch } from 'vue';
import { UserError } from '../../src-main/contract/errors.ts';
import type { RunDetail } from '../../src-main/contract/run.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { useConnectionStore } from './connection.ts';
import { useRunStore } from './run.ts';
import { detailOf, summaryOf, testApp } from './testApp.ts';

afterEach(() => void vi.useRealTimers());

async function opened(detail: () => RunDetail | Promise<RunDetail>, handlers: Parameters<typeof testApp>[0] = {}) {
  const app = testApp({ getRun: detail, ...handlers });
  const connection = useConnectionStore();
  const run = useRunStore();
  connection.start(app.connect);
  void run.open('r');
  await vi.waitUntil(() => (run.fresh || run.problem) && !run.loading);
  return { app, connection, run };
}

function lossesOf(run: ReturnType<typeof useRunStore>) {
  const { series } = run;
  return series!.ofWorkers('loss').map((column) => [...column.subarray(0, series!.length)]);
}

const twoSteps = () =>
  detailOf(
    'r',
    columnsOf(0, [
      [9, 8],
      [7, 6],
    ]),
  );

test('loads a run and follows its events, not those of others', async () => {
  const { app, run } = await opened(twoSteps);
  app.hub.emit('stepsAppended', { runId: 'other', columns: columnsOf(2, [[0], [0]]) });
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(2, [[5], [4]]) });
  app.hub.emit('checkpointWritten', { runId: 'r', step: 1 });
  app.hub.emit('checkpointWritten', { runId: 'r', step: 2 });
  app.hub.emit('checkpointWritten', { runId: 'r', step: 3 });
  app.hub.emit('runChanged', { summary: summaryOf('r', { step: 3, state: 'done', accuracy: 0.9 }) });
  await vi.waitUntil(() => !run.active);
  expect(lossesOf(run)).toEqual([
    [9, 8, 5],
    [7, 6, 4],
  ]);
  expect(run.checkpoints).toEqual([2, 3]);
  expect(run.summary).toMatchObject({ state: 'done', accuracy: 0.9 });
});

test('events that come while the run loads are neither lost nor applied twice', async () => {
  let release = () => {};
  const waiting = new Promise<void>((resolve) => (release = resolve));
  const app = testApp({
    getRun: async () => {
      const detail = detailOf(
        'r',
        columnsOf(0, [
          [9, 8, 5],
          [7, 6, 4],
        ]),
      );
      await waiting;
      return detail;
    },
  });
  const connection = useConnectionStore();
  const run = useRunStore();
  connection.start(app.connect);
  void run.open('r');
  await vi.waitUntil(() => connection.isOpen);
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(2, [[5], [4]]) });
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(3, [[2], [1]]) });
  release();
  await vi.waitUntil(() => run.fresh);
  expect(lossesOf(run)).toEqual([
    [9, 8, 5, 2],
    [7, 6, 4, 1],
  ]);
});

test('steps of a resumed run replace those after its checkpoint', async () => {
  const { app, run } = await opened(twoSteps);
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(1, [[3], [2]]) });
  await vi.waitUntil(() => run.series!.column('loss')[1] === 3);
  expect(lossesOf(run)).toEqual([
    [9, 3],
    [7, 2],
  ]);
});

test('after a lost connection the run is stale until it was asked for again', async () => {
  let columns = columnsOf(0, [[9], [7]]);
  const { app, connection, run } = await opened(() => detailOf('r', columns));
  app.hangUp();
  await vi.waitUntil(() => !run.fresh);
  expect([connection.isOpen, run.summary?.step]).toEqual([false, 1]);
  columns = columnsOf(0, [
    [9, 8],
    [7, 6],
  ]);
  connection.retryNow();
  await vi.waitUntil(() => run.fresh);
  expect(run.summary?.step).toBe(2);
});

test('a page that was hidden shows every step when it is visible again, and is not stale meanwhile', async () => {
  let columns = columnsOf(0, [[9], [7]]);
  const { app, connection, run } = await opened(() => detailOf('r', columns));
  connection.setVisible(false);
  await vi.waitUntil(() => !connection.live);
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(1, [[8], [6]]) });
  columns = columnsOf(0, [
    [9, 8],
    [7, 6],
  ]);
  const stale = vi.fn();
  watch(() => run.fresh, stale, { flush: 'sync' });
  connection.setVisible(true);
  await vi.waitUntil(() => run.summary?.step === 2);
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(2, [[5], [4]]) });
  await vi.waitUntil(() => run.summary?.step === 3);
  expect(stale).not.toHaveBeenCalled();
  expect(lossesOf(run)).toEqual([
    [9, 8, 5],
    [7, 6, 4],
  ]);
});

test('the plan is asked for when the run changes and it was not there yet', async () => {
  let plan: RunDetail['plan'] = null;
  const { app, run } = await opened(() => ({ ...twoSteps(), plan }));
  expect(run.plan).toBeNull();
  plan = twoSteps().plan;
  app.hub.emit('runChanged', { summary: summaryOf('r') });
  await vi.waitUntil(() => run.plan !== null);
});

test('a run that is not there says so', async () => {
  const { run } = await opened(() => {
    throw new UserError('data', 'there is no run "r"');
  });
  expect([run.summary, run.problem]).toEqual([null, 'there is no run "r".']);
});

test('an action shows that it is under way, and why it failed', async () => {
  const { run } = await opened(twoSteps, {
    exportRun: () => {
      throw new UserError('storage', 'the disk is full');
    },
  });
  const done = run.act('onnx');
  expect([...run.pending]).toEqual(['onnx']);
  await done;
  expect([[...run.pending], run.actionError]).toEqual([[], 'the disk is full.']);
});

test('stopping takes over the state in which the run ended', async () => {
  const { run } = await opened(twoSteps, { stopRun: () => summaryOf('r', { state: 'stopped', step: 2 }) });
  await run.act('stop');
  expect([run.summary?.state, run.active]).toEqual(['stopped', false]);
});

test('devices that change are told, with the plan of those that are there', async () => {
  const { app, run } = await opened(twoSteps);
  const change = { step: 2, device: 'cpu:1', change: 'lost', reason: 'it died' } as const;
  app.hub.emit('deviceChanged', { runId: 'r', change });
  const plan = { ...twoSteps().plan!, spectralGap: 0.25 };
  app.hub.emit('replanned', { runId: 'r', plan });
  await vi.waitUntil(() => run.plan?.spectralGap === 0.25);
  expect(run.deviceChanges).toEqual([change]);
});

test('a device that is asked to join is said to move until it has, and a refusal is told', async () => {
  let refuse: (error: Error) => void = () => undefined;
  const asked: unknown[] = [];
  const { run } = await opened(twoSteps, {
    addDevice: (params) => {
      asked.push(params);
      return new Promise((_, reject) => (refuse = reject));
    },
  });
  const joining = run.changeDevice('addDevice', 'cpu:3');
  await vi.waitUntil(() => asked.length === 1);
  expect(asked).toEqual([{ runId: 'r', device: { id: 'cpu:3' } }]);
  expect([...run.moving]).toEqual(['cpu:3']);
  refuse(new UserError('conflict', 'it takes part in this run already'));
  await joining;
  expect([...run.moving]).toEqual([]);
  expect(run.actionError).toContain('it takes part in this run already');
});
