import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPace, pauseMs } from './pace.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function paced() {
  const told: string[][] = [];
  return { pace: createPace<string>((events) => told.push(events)), told };
}

test('tells what goes on steadily at once after a silence, then once a second', () => {
  const { pace, told } = paced();
  pace.receive('a', true);
  vi.advanceTimersByTime(0);
  expect(told).toEqual([['a']]);
  for (const event of ['b', 'c', 'd']) pace.receive(event, true);
  vi.advanceTimersByTime(pauseMs - 1);
  expect(told).toEqual([['a']]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([['a'], ['b', 'c', 'd']]);
});

test('tells what happens once at once, behind what came earlier', () => {
  const { pace, told } = paced();
  pace.receive('a', true);
  vi.advanceTimersByTime(0);
  pace.receive('b', true);
  pace.receive('paused', false);
  expect(told).toEqual([['a'], ['b', 'paused']]);
  pace.receive('c', true);
  pace.flush();
  vi.advanceTimersByTime(pauseMs);
  expect(told).toEqual([['a'], ['b', 'paused'], ['c']]);
});

test('tells earlier where much waits', () => {
  const { pace, told } = paced();
  for (let event = 0; event < 70; event++) pace.receive(String(event), true);
  vi.advanceTimersByTime(pauseMs);
  expect(told.flat()).toEqual(Array.from({ length: 70 }, (_, event) => String(event)));
  expect(Math.max(...told.map((events) => events.length))).toBeLessThan(70);
});
