import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import { noLoss, type RunSummary } from '../contract/run.ts';
import { emptyColumns } from '../contract/steps.ts';
import { cpuPauseMs, servePage, type AppHost } from './appHost.ts';
import { EventHub } from '../transport/events.ts';
import { memoryPair } from '../transport/memory.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const runId = 'a';
const summary: RunSummary = {
  ...{ id: runId, name: 'a', state: 'training', reason: '', step: 1, steps: 9, createdAt: '2026-11-21T00:00:00Z' },
  ...{ accuracy: null, perplexity: null, curve: noLoss, dataset: 'mnist', fingerprint: '', warning: '' },
};
const elapsedMs = 100_000;
const bytes = { weights: 0, gradients: 0, optimizer: 0, activations: 0, workspace: 0, total: 0 };
const memoryOf = (device: string) => ({
  runId,
  memory: {
    step: 1,
    elapsedMs,
    devices: [{ device, pid: 1, residentBytes: 1, peakResidentBytes: 1, measured: bytes }],
  },
});

/** Counts of the events that a page is told together. */
function page(handlers: Partial<AppHost['handlers']> = {}) {
  const events = new EventHub<AppEvents>();
  const [near, far] = memoryPair();
  const counts: number[] = [];
  near.onMessage((message) => {
    const { type, events: told } = message as { type: string; events?: unknown[] };
    if (type === 'events') counts.push(told!.length);
  });
  servePage(far, { handlers: handlers as AppHost['handlers'], events });
  near.send({ type: 'hello', version: appContract.version });
  return { events, counts, send: near.send };
}

test('the pause while the CPU trains is shorter where there are more cores, and at first', () => {
  expect([1, 2, 8, 20, 64].map((cores) => cpuPauseMs(cores, 100_000))).toEqual([10_000, 10_000, 2500, 1000, 312.5]);
  expect([0, 5_000, 20_000].map((elapsedMs) => cpuPauseMs(2, elapsedMs))).toEqual([250, 500, 2000]);
});

test.each([
  ['cuda:0', 250],
  ['cpu:1', cpuPauseMs(availableParallelism(), elapsedMs)],
])('while %s trains, a page is told of its steps every %i ms, and of a new state at once', async (device, pauseMs) => {
  const { events, counts } = page();
  await vi.advanceTimersByTimeAsync(0);
  events.emit('runChanged', { summary });
  events.emit('memorySampled', memoryOf(device));
  await vi.advanceTimersByTimeAsync(pauseMs);
  counts.length = 0;
  for (let step = 0; step < 3; step++) events.emit('stepsAppended', { runId, columns: emptyColumns(1) });
  events.emit('runChanged', { summary: { ...summary, step: 4 } });
  await vi.advanceTimersByTimeAsync(pauseMs - 1);
  expect(counts).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(counts).toEqual([4]);
  events.emit('stepsAppended', { runId, columns: emptyColumns(1) });
  events.emit('runChanged', { summary: { ...summary, state: 'paused' } });
  await vi.advanceTimersByTimeAsync(0);
  expect(counts).toEqual([4, 2]);
});

test('a page that asks is told of what waits, and then after a whole pause', async () => {
  const { events, counts, send } = page({ catchUp: () => ({}) });
  const step = () => events.emit('stepsAppended', { runId, columns: emptyColumns(1) });
  await vi.advanceTimersByTimeAsync(0);
  events.emit('memorySampled', memoryOf('cpu:0'));
  await vi.advanceTimersByTimeAsync(0);
  counts.length = 0;
  step();
  step();
  await vi.advanceTimersByTimeAsync(200);
  send({ type: 'call', id: 0, command: 'catchUp', params: {} });
  await vi.advanceTimersByTimeAsync(0);
  expect(counts).toEqual([2]);
  step();
  await vi.advanceTimersByTimeAsync(cpuPauseMs(availableParallelism(), elapsedMs) - 1);
  expect(counts).toEqual([2]);
  await vi.advanceTimersByTimeAsync(1);
  expect(counts).toEqual([2, 1]);
});
