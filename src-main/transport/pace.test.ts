import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPace } from './pace.ts';

const pauseMs = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function paced() {
  const told: string[][] = [];
  return { pace: createPace<string>((events) => told.push(events)), told };
}

test('tells what goes on steadily at once after a silence, then once in a pause', () => {
  const { pace, told } = paced();
  pace.receive('a', pauseMs);
  vi.advanceTimersByTime(0);
  expect(told).toEqual([['a']]);
  for (const event of ['b', 'c', 'd']) pace.receive(event, pauseMs);
  vi.advanceTimersByTime(pauseMs - 1);
  expect(told).toEqual([['a']]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([['a'], ['b', 'c', 'd']]);
});

test('tells what happens once at once, behind what came earlier', () => {
  const { pace, told } = paced();
  pace.receive('a', pauseMs);
  vi.advanceTimersByTime(0);
  pace.receive('b', pauseMs);
  pace.receive('paused', 0);
  expect(told).toEqual([['a'], ['b', 'paused']]);
  pace.receive('c', pauseMs);
  pace.flush();
  vi.advanceTimersByTime(pauseMs);
  expect(told).toEqual([['a'], ['b', 'paused'], ['c']]);
});

test('tells earlier where much waits', () => {
  const { pace, told } = paced();
  for (let event = 0; event < 1000; event++) pace.receive(String(event), pauseMs);
  vi.advanceTimersByTime(pauseMs);
  expect(told.flat()).toEqual(Array.from({ length: 1000 }, (_, event) => String(event)));
  expect(Math.max(...told.map((events) => events.length))).toBeLessThan(1000);
});
