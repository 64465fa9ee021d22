import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPace } from './pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function paced(costMs = 0) {
  const told: string[] = [];
  const pace = createPace<string>(
    (event) => told.push(event),
    (taken) => taken(costMs),
  );
  return { pace, told };
}

test('tells what goes on steadily at once after a silence, then a few times a second', () => {
  const { pace, told } = paced();
  pace.receive('a', true);
  vi.advanceTimersByTime(0);
  expect(told).toEqual(['a']);
  for (const event of ['b', 'c', 'd']) pace.receive(event, true);
  vi.advanceTimersByTime(249);
  expect(told).toEqual(['a']);
  vi.advanceTimersByTime(1);
  expect(told).toEqual(['a', 'b', 'c', 'd']);
});

test('tells what happens once at once, behind what came earlier', () => {
  const { pace, told } = paced();
  pace.receive('a', true);
  vi.advanceTimersByTime(0);
  pace.receive('b', true);
  pace.receive('paused', false);
  expect(told).toEqual(['a', 'b', 'paused']);
  pace.receive('c', true);
  pace.flush();
  vi.advanceTimersByTime(1000);
  expect(told).toEqual(['a', 'b', 'paused', 'c']);
});

test('waits the longer the more it takes to show, a second at most', () => {
  for (const [costMs, pauseMs] of [
    [5, 500],
    [200, 1000],
  ] as const) {
    const { pace, told } = paced(costMs);
    pace.receive('a', true);
    vi.advanceTimersByTime(0);
    pace.receive('b', true);
    vi.advanceTimersByTime(pauseMs - 1);
    expect(told).toEqual(['a']);
    vi.advanceTimersByTime(1);
    expect(told).toEqual(['a', 'b']);
  }
});
