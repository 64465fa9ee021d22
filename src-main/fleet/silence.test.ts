import { expect, it } from 'vitest';
import type { Activity } from '../processes/standstill.ts';
import { lookEveryMs, Silence } from './silence.ts';

const nobody = () => false;
const unknown = () => null;

/** Two devices that are asked for something, of which the first gets something done every so many looks and the second waits for it. */
function begun({ every, looks, trains = true }: { every: number; looks: number; trains?: boolean }) {
  const silence = new Silence({ firstMs: 600_000, leastMs: 60_000, stillMs: 10_000 });
  let now = 0;
  let beats = 0;
  const progress = () => [
    { beats, waiting: false },
    { beats: 7, waiting: true },
  ];
  silence.begin(progress(), now, trains);
  const look = (isDone = nobody, activity: (index: number) => Activity | null = unknown) =>
    silence.look(progress(), (now += lookEveryMs), { isDone, haveTrained: beats > 0, activity });
  for (let count = 1; count <= looks; count += 1) {
    if (count % every === 0) beats += 1;
    expect(look()).toBeUndefined();
  }
  return { look, pass: (ms: number) => (now += ms), begin: () => silence.begin(progress(), now, trains) };
}

/** Looks until somebody hangs, in seconds. */
function secondsUntil(look: () => unknown): number {
  for (let count = 1; count < 10_000; count += 1) if (look()) return (count * lookEveryMs) / 1000;
  return Infinity;
}

const perSecond = 1000 / lookEveryMs;
/** The first look after a limit. */
const oneMore = lookEveryMs / 1000;

it('one that gets nothing done hangs after a minute, or ten times its longest silence; who waits for it does not', () => {
  const quick = begun({ every: 1, looks: 20 });
  let found: unknown;
  expect(secondsUntil(() => (found = quick.look()))).toBe(60 + oneMore);
  expect(found).toEqual({ index: 0, seconds: 60 });
  const slow = begun({ every: 30 * perSecond, looks: 90 * perSecond });
  expect(secondsUntil(() => slow.look())).toBe(10 * (30 - oneMore) + oneMore);
});

it('in what is slow, or done for the first time, it hangs later', () => {
  const after = (every: number, looks: number, trains = true) => {
    const { look } = begun({ every: every * perSecond, looks: looks * perSecond, trains });
    return secondsUntil(() => look());
  };
  expect(after(100, 300)).toBe(600 + oneMore);
  expect(after(400, 400)).toBe(3 * (400 - oneMore) + oneMore);
  expect(after(1000, 1)).toBe(600 + oneMore - 1);
  expect(after(1, 20, false)).toBe(600 + oneMore);
});

it('one whose process stands still hangs sooner, and not one that computes or waits for its turn', () => {
  const process = { seconds: 5, runs: false };
  const still = begun({ every: 1, looks: 20 });
  let found: unknown;
  // What it does at the first look is not known to be nothing.
  expect(secondsUntil(() => (found = still.look(nobody, () => process)))).toBe(10 + 2 * oneMore);
  expect(found).toEqual({ index: 0, seconds: 11 });

  // It answers the main process now and then.
  const answering = begun({ every: 1, looks: 20 });
  const answers = () => ({ ...process, seconds: (process.seconds += 0.001) });
  expect(secondsUntil(() => answering.look(nobody, answers))).toBe(10 + 2 * oneMore);

  const computing = begun({ every: 1, looks: 20 });
  const computes = () => ({ ...process, seconds: (process.seconds += lookEveryMs / 1000) });
  expect(secondsUntil(() => computing.look(nobody, computes))).toBe(60 + oneMore);

  const starved = begun({ every: 1, looks: 20 });
  expect(secondsUntil(() => starved.look(nobody, () => ({ ...process, runs: true })))).toBe(60 + oneMore);

  const slow = begun({ every: 8 * perSecond, looks: 24 * perSecond });
  expect(secondsUntil(() => slow.look(nobody, () => process))).toBe(3 * (8 - oneMore) + 2 * oneMore);

  const first = begun({ every: 1000, looks: 1 });
  expect(secondsUntil(() => first.look(nobody, () => process))).toBe(600);
});

it('time in which nobody looked does not count, nor what was before a call or is done with it', () => {
  const { look, pass, begin } = begun({ every: 1, looks: 5 });
  pass(24 * 3_600_000);
  expect(secondsUntil(() => look())).toBe(60);
  expect(look(() => true)).toBeUndefined();
  begin();
  expect(secondsUntil(() => look())).toBe(60 + oneMore);
});
