import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { askWhileUsed } from './askWhileUsed.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('asks at once, then at intervals until ten seconds after the last act, and again at the next', () => {
  const page = new EventTarget();
  const ask = vi.fn();
  const end = askWhileUsed(page, ask, 1000);
  vi.advanceTimersByTime(60_000);
  expect(ask).toHaveBeenCalledTimes(0);
  for (let act = 0; act < 50; act++) page.dispatchEvent(new Event('pointermove'));
  expect(ask).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(4000);
  expect(ask).toHaveBeenCalledTimes(5);
  page.dispatchEvent(new Event('keydown'));
  vi.advanceTimersByTime(60_000);
  expect(ask).toHaveBeenCalledTimes(14);
  page.dispatchEvent(new Event('wheel'));
  expect(ask).toHaveBeenCalledTimes(15);
  end();
  page.dispatchEvent(new Event('wheel'));
  vi.advanceTimersByTime(60_000);
  expect(ask).toHaveBeenCalledTimes(15);
});
