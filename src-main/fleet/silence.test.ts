import { expect, it } from 'vitest';
import { lookEveryMs, Silence } from './silence.ts';

const nobody = () => false;

/** Two devices that are asked for something, of which the first gets something done every so many looks and the second waits for it. */
function begun({ every, looks, trains = true }: { every: number; looks: number; trains?: boolean }) {
  const silence = new Silence({ firstMs: 600_000, leastMs: 60_000 });
  let now = 0;
  let beats = 0;
  const progress = () => [
    { beats, waiting: false },
    { beats: 7, waiting: true },
  ];
  silence.begin(progress(), now, trains);
  const look = (isDone = nobody) => silence.look(progress(), isDone, (now += lookEveryMs), beats > 0);
  for (let count = 1; count <= looks; count += 1) {
    if (count % every === 0) beats += 1;
    expect(look()).toBeUndefined();
  }
  return { look, pass: (ms: number) => (now += ms), begin: () => silence.begin(progress(), now, trains) };
}

/** Looks until somebody hangs. */
function looksUntil(look: () => unknown): number {
  for (let count = 1; count < 10_000; count += 1) if (look()) return count;
  return Infinity;
}

it('one that gets nothing done hangs after a minute, or ten times its longest silence; who waits for it does not', () => {
  const quick = begun({ every: 1, looks: 20 });
  let found: unknown;
  expect(looksUntil(() => (found = quick.look()))).toBe(61);
  expect(found).toEqual({ index: 0, seconds: 61 });
  expect(looksUntil(begun({ every: 30, looks: 90 }).look)).toBe(291);
});

it('in what is slow, or done for the first time, it hangs later', () => {
  expect(looksUntil(begun({ every: 100, looks: 300 }).look)).toBe(601);
  expect(looksUntil(begun({ every: 400, looks: 400 }).look)).toBe(1198);
  expect(looksUntil(begun({ every: 1000, looks: 1 }).look)).toBe(600);
  expect(looksUntil(begun({ every: 1, looks: 20, trains: false }).look)).toBe(601);
});

it('time in which nobody looked does not count, nor what was before a call or is done with it', () => {
  const { look, pass, begin } = begun({ every: 1, looks: 5 });
  pass(24 * 3_600_000);
  expect(looksUntil(look)).toBe(60);
  expect(look(() => true)).toBeUndefined();
  begin();
  expect(looksUntil(look)).toBe(61);
});
