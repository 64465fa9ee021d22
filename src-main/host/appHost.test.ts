import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import { noLoss, type RunSummary } from '../contract/run.ts';
import { emptyColumns } from '../contract/steps.ts';
import type { ImportState } from '../contract/verdict.ts';
import { EventHub } from '../transport/events.ts';
import { memoryPair } from '../transport/memory.ts';
import { periodMs } from '../transport/pace.ts';
import { servePage, type AppHandlers } from './appHost.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const runId = 'a';
const summary: RunSummary = {
  ...{ id: runId, name: 'a', state: 'training', reason: '', step: 1, steps: 9, createdAt: '2026-11-21T00:00:00Z' },
  ...{ accuracy: null, perplexity: null, curve: noLoss, dataset: 'mnist', fingerprint: '', warning: '' },
};
const imported: ImportState = {
  ...{ id: 'i', name: 'a', paths: ['/a'], state: 'running', unit: 'samples', done: 0, total: 9, perSecond: 0 },
  ...{ secondsLeft: null, skipped: 0, reason: '' },
};
const steps = { runId, columns: emptyColumns(1) };
const memory = { runId, memory: { step: 1, elapsedMs: 1, devices: [] } };
const gradients = { runId, gradients: { step: 1, norms: [], mean: [], disagreement: [] } };

/** An app that has told of a run and an import, and its pages; `messages`: names of the events that came together. */
async function appWithPages(numPages: number) {
  const events = new EventHub<AppEvents>();
  const pages = await Promise.all(
    Array.from({ length: numPages }, async () => {
      const [near, far] = memoryPair();
      const messages: string[] = [];
      const replies: unknown[] = [];
      near.onMessage((message) => {
        const { type, ...rest } = message as { type: string; events?: { name: string }[] };
        if (type === 'events') messages.push(rest.events!.map(({ name }) => name).join(' '));
        else replies.push(message);
      });
      servePage(far, { handlers: {} as AppHandlers, events }, String);
      near.send({ type: 'hello', version: appContract.version });
      const setVisible = async (visible: unknown) => {
        near.send({ type: 'call', id: replies.length, command: 'setVisible', params: { visible } });
        await vi.advanceTimersByTimeAsync(0);
        return replies.at(-1);
      };
      await vi.advanceTimersByTimeAsync(0);
      return { messages, setVisible };
    }),
  );
  events.emit('runChanged', { summary });
  events.emit('importChanged', { import: imported });
  await vi.advanceTimersByTimeAsync(periodMs);
  for (const { messages } of pages) messages.length = 0;
  return { events, pages };
}

/** All that is periodic, once. */
function progress(events: EventHub<AppEvents>): void {
  events.emit('stepsAppended', steps);
  events.emit('memorySampled', memory);
  events.emit('gradientsMeasured', gradients);
  events.emit('runChanged', { summary: { ...summary, step: 4, curve: { every: 1, means: [1] } } });
  events.emit('importChanged', { import: { ...imported, done: 3 } });
}
const periodic = 'stepsAppended memorySampled gradientsMeasured runChanged importChanged';

test('a page is sent progress once a second in one message', async () => {
  const { events, pages } = await appWithPages(1);
  const { messages } = pages[0]!;
  events.emit('stepsAppended', steps);
  await vi.advanceTimersByTimeAsync(0);
  expect(messages).toEqual(['stepsAppended']);
  progress(events);
  await vi.advanceTimersByTimeAsync(periodMs - 1);
  expect(messages).toEqual(['stepsAppended']);
  await vi.advanceTimersByTimeAsync(1);
  expect(messages).toEqual(['stepsAppended', periodic]);
});

const evaluation = { step: 1, loss: 1, accuracy: 0.5, perplexity: null, samples: 1, seconds: 1 };
const oneOff: [string, (events: EventHub<AppEvents>) => void][] = [
  ['a new state', (events) => events.emit('runChanged', { summary: { ...summary, state: 'paused' } })],
  ['a warning', (events) => events.emit('runChanged', { summary: { ...summary, warning: 'the disk is full' } })],
  ['an evaluation', (events) => events.emit('evaluationAppended', { runId, evaluation })],
  ['a checkpoint', (events) => events.emit('checkpointWritten', { runId, step: 1 })],
  ['the end of an import', (events) => events.emit('importChanged', { import: { ...imported, state: 'done' } })],
];

test.each(oneOff)('%s is sent at once, behind the progress before it, and to a hidden page too', async (_, emit) => {
  const { events, pages } = await appWithPages(2);
  await pages[1]!.setVisible(false);
  progress(events);
  await vi.advanceTimersByTimeAsync(0);
  progress(events);
  emit(events);
  await vi.advanceTimersByTimeAsync(0);
  const [first, second, ...more] = pages[0]!.messages;
  expect([first, more]).toEqual([periodic, []]);
  expect(second).toMatch(new RegExp(`^${periodic} (runChanged|importChanged|\\w+(Appended|Written))$`));
  expect(pages[1]!.messages).toEqual([second!.split(' ').at(-1)]);
});

test('a hidden page is sent no progress, each page by what it said last', async () => {
  const { events, pages } = await appWithPages(3);
  const [silent, hidden, back] = pages;
  await hidden!.setVisible(false);
  await back!.setVisible(false);
  progress(events);
  await vi.advanceTimersByTimeAsync(10 * periodMs);
  expect(pages.map(({ messages }) => messages)).toEqual([[periodic], [], []]);
  const sequence = events.sequence;
  expect(await back!.setVisible(true)).toMatchObject({ type: 'reply', result: { sequence } });
  progress(events);
  await vi.advanceTimersByTimeAsync(10 * periodMs);
  expect([silent, hidden, back].map((page) => page!.messages)).toEqual([[periodic, periodic], [], [periodic]]);
});

test('what waits for a page that hides is sent before the answer', async () => {
  const { events, pages } = await appWithPages(1);
  const { messages, setVisible } = pages[0]!;
  progress(events);
  await vi.advanceTimersByTimeAsync(0);
  progress(events);
  await setVisible(false);
  expect(messages).toEqual([periodic, periodic]);
});

test('a visibility that is none is refused', async () => {
  const { pages } = await appWithPages(1);
  expect(await pages[0]!.setVisible('perhaps')).toMatchObject({ type: 'failure', error: { code: 'usage' } });
});
