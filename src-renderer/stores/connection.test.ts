import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appContract } from '../../src-main/contract/contracts.ts';
import { UserError } from '../../src-main/contract/errors.ts';
import { memoryPair } from '../../src-main/transport/memory.ts';
import { periodMs } from '../../src-main/transport/pace.ts';
import { columnsOf } from '../../src-main/testing/steps.ts';
import { useConnectionStore } from './connection.ts';
import { summaryOf, testApp } from './testApp.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const flush = () => vi.advanceTimersByTimeAsync(0);

test('opens, calls and hears events', async () => {
  const app = testApp({ startSample: ({ sampleId }) => ({ runId: `run of ${sampleId}` }) });
  const connection = useConnectionStore();
  const heard: string[] = [];
  connection.onEvent(({ name }) => heard.push(name));
  connection.start(app.connect);
  await flush();
  expect([connection.status, connection.epoch]).toEqual(['open', 1]);
  expect(await connection.call('startSample', { sampleId: 'a' })).toEqual({ runId: 'run of a' });
  app.hub.emit('runChanged', { summary: summaryOf('r') });
  await flush();
  expect(heard).toEqual(['runChanged']);
});

test('a lost connection is told at once, tried again with longer waits, and counted as new when it is back', async () => {
  const app = testApp({});
  const connection = useConnectionStore();
  let attempts = 0;
  let reachable = true;
  connection.start(() => {
    attempts++;
    const transport = app.connect();
    if (!reachable) transport.close();
    return transport;
  });
  await flush();
  reachable = false;
  app.hangUp();
  await flush();
  expect(connection.status).toBe('lost');
  await expect(connection.call('snapshot', {})).rejects.toMatchObject({ code: 'disconnected' });
  const waits = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
  for (const [index, wait] of waits.entries()) {
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(attempts).toBe(1 + index);
    await vi.advanceTimersByTimeAsync(1);
    expect(attempts).toBe(2 + index);
  }
  reachable = true;
  connection.retryNow();
  await flush();
  expect([connection.status, connection.epoch, attempts]).toEqual(['open', 2, 9]);
});

test('retryNow replaces the waiting attempt', async () => {
  const app = testApp({});
  const connection = useConnectionStore();
  const makeTransport = vi.fn(app.connect);
  connection.start(makeTransport);
  await flush();
  app.hangUp();
  await flush();
  connection.retryNow();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([connection.status, makeTransport.mock.calls.length]).toEqual(['open', 2]);
});

test('what no further attempt would mend is refused with its reason', async () => {
  testApp({});
  const connection = useConnectionStore();
  const makeTransport = vi.fn(() => Promise.reject(new UserError('usage', 'open this page by the whole address')));
  connection.start(makeTransport);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([connection.status, connection.problem, makeTransport.mock.calls.length]).toEqual([
    'refused',
    'open this page by the whole address.',
    1,
  ]);
});

test('a missed sequence number makes everyone ask again', async () => {
  testApp({});
  const [page, app] = memoryPair();
  app.onMessage(() => undefined);
  const connection = useConnectionStore();
  connection.start(() => page);
  app.send({ type: 'welcome', version: appContract.version });
  const epochs: number[] = [];
  for (const sequence of [7, 8, 10, 11]) {
    app.send({ type: 'events', events: [{ name: 'checkpointWritten', sequence, payload: { runId: 'r', step: 1 } }] });
    await flush();
    epochs.push(connection.epoch);
  }
  expect(epochs).toEqual([1, 1, 2, 2]);
});

test('a page that was hidden asks again only for progress, and only where it missed some', async () => {
  const app = testApp({});
  const connection = useConnectionStore();
  const heard: number[] = [];
  connection.onEvent(({ sequence }) => heard.push(sequence));
  connection.start(app.connect);
  await flush();
  const hide = async (hidden: boolean) => {
    connection.setVisible(!hidden);
    await flush();
    return [connection.live, connection.missed, connection.epoch];
  };
  const step = () => app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(0, [[1], [1]]) });
  const checkpoint = () => app.hub.emit('checkpointWritten', { runId: 'r', step: 1 });
  checkpoint();
  expect(await hide(true)).toEqual([false, 0, 1]);
  checkpoint();
  expect(await hide(false)).toEqual([true, 0, 1]);
  await hide(true);
  step();
  checkpoint();
  step();
  expect(await hide(false)).toEqual([true, 1, 1]);
  checkpoint();
  await hide(true);
  step();
  expect(await hide(false)).toEqual([true, 2, 1]);
  step();
  await vi.advanceTimersByTimeAsync(periodMs);
  expect([heard, connection.missed, connection.epoch]).toEqual([[1, 2, 4, 6, 8], 2, 1]);
});

test('a page that is hidden when it connects says so', async () => {
  const app = testApp({});
  const connection = useConnectionStore();
  const heard: string[] = [];
  connection.onEvent(({ name }) => heard.push(name));
  connection.setVisible(false);
  connection.start(app.connect);
  await flush();
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(0, [[1], [1]]) });
  app.hub.emit('checkpointWritten', { runId: 'r', step: 1 });
  await vi.advanceTimersByTimeAsync(10 * periodMs);
  expect([heard, connection.missed]).toEqual([['checkpointWritten'], 0]);
  connection.setVisible(true);
  await flush();
  expect([connection.live, connection.missed, connection.epoch]).toEqual([true, 1, 1]);
});

test('a page that turns from hidden to visible and back fast stays hidden', async () => {
  const app = testApp({});
  const connection = useConnectionStore();
  connection.start(app.connect);
  await flush();
  for (const visible of [false, true, false]) connection.setVisible(visible);
  await flush();
  app.hub.emit('stepsAppended', { runId: 'r', columns: columnsOf(0, [[1], [1]]) });
  await flush();
  expect([connection.live, connection.missed]).toEqual([false, 0]);
  connection.setVisible(true);
  await flush();
  expect([connection.live, connection.missed, connection.epoch]).toEqual([true, 1, 1]);
});
