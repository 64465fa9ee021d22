import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPace, periodMs } from './pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function paced() {
  const sent: string[][] = [];
  return { pace: createPace<string>((events) => sent.push(events)), sent };
}

test('periodic events go at once after a silence, then together once a second', () => {
  const { pace, sent } = paced();
  pace.add('a', true);
  vi.advanceTimersByTime(0);
  expect(sent).toEqual([['a']]);
  for (const event of ['b', 'c', 'd']) pace.add(event, true);
  vi.advanceTimersByTime(periodMs - 1);
  expect(sent).toEqual([['a']]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual([['a'], ['b', 'c', 'd']]);
});

test('one-off events go at once, behind what waits', () => {
  const { pace, sent } = paced();
  pace.add('a', true);
  vi.advanceTimersByTime(0);
  pace.add('b', true);
  pace.add('paused', false);
  expect(sent).toEqual([['a'], ['b', 'paused']]);
  pace.add('c', true);
  pace.flush();
  vi.advanceTimersByTime(periodMs);
  expect(sent).toEqual([['a'], ['b', 'paused'], ['c']]);
});

test('what waits at the end is dropped', () => {
  const { pace, sent } = paced();
  pace.add('a', true);
  pace.stop();
  vi.advanceTimersByTime(periodMs);
  expect(sent).toEqual([]);
});
