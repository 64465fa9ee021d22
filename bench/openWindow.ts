// How much longer a training step takes while the window is open: the sample on one device beside the open page of the run, or the first page, which
// is told of news after a pause each time, be its user one who only looks or one who acts in it. The machine's speed changes by more than is looked
// for, in tenths of seconds as in minutes; so both parts of the answer compare steps that are close to each other, and their intervals come from many
// such comparisons, one for each pause.
//
// An update: by how much the step in which the page was told, and the two after it, are longer than those that follow.
// Between updates: by how much steps are longer than where all processes of the browser are stopped. They are stopped in eight of sixteen equal parts of
// a pause, in an order that leaves no steady change of speed in the difference, and in the other eight of the next pause. The same difference
// without this change of sides is the control: it is zero but for chance.
//
// In every fifth pause the browser is not stopped. Its processor time there says by how much more it costs in all than by updates, if steps are longer
// by the same for each millisecond that it takes; this is known better than the difference between updates.
//
// A pause in which other programs took part of the machine does not count.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { catchUpMs } from '../src-main/contract/commands.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { createApp, type App } from '../src-main/lab/app.ts';
import { samples } from '../src-main/lab/samples.ts';
import { startServer } from '../src-main/serve/server.ts';
import { builtWorker } from '../src-main/testing/lab.ts';
import { cpuPauseMs } from '../src-main/host/appHost.ts';
import { Browser, openRun, readProcess } from './browser.ts';

/** Until a page that was opened is compiled, what opening it left behind is collected, and it is told as rarely as in a long run. */
const warmMs = 120_000;
/** Until a page that was told has shown it. */
const shownMs = 1500;
/** Left after that, and at the end of a pause, to look at the processes. */
const readMs = 300;
/** Whether the browser goes on in a part of a pause that is not inverse; the sequence of Thue and Morse. */
const parts: readonly boolean[] = Array.from(
  { length: 16 },
  (_, part) => part.toString(2).replaceAll('0', '').length % 2 === 0,
);
const kinds = ['plain', 'inverse', 'plain', 'inverse', 'unstopped'] as const;
/** Steps that an update makes longer. */
const hitSteps = 3;

interface Step {
  ms: number;
  /** By this process's clock, like all times here. */
  endedAt: number;
}

/** What was seen from one update of the page on; times of steps in ms. */
interface Pause {
  toldAt: number;
  /** When each part began, and the last one ended. */
  edges: number[];
  kind: (typeof kinds)[number];
  /** Of one core, in this pause. */
  shares: Record<'browser' | 'main' | 'others', number>;
  /** Of the browser's processor time in this pause, what belongs to the update. */
  updateSecs: number;
}

/** Of processor time so far, with the time. */
type ProcessorSecs = Record<'at' | 'browser' | 'device' | 'main' | 'machine', number>;

export async function main(args: string[], executablePath: string): Promise<void> {
  const string = { type: 'string' } as const;
  const options = {
    minutes: string,
    threads: string,
    others: string,
    page: string,
    used: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ args, options });
  const pauseMs = values.used ? catchUpMs : cpuPauseMs(cpus().length, Infinity);
  const numPauses = Math.ceil((Number(values.minutes ?? 20) * 60_000) / pauseMs);
  if (!(numPauses >= 10)) throw new Error('intervals need ten pauses at least');
  const home = await mkdtemp(join(tmpdir(), 'sdp-open-window-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  const rendererDir = join(import.meta.dirname, '../out/renderer');
  const server = await startServer({ app, home, port: 0, rendererDir });
  const browser = await Browser.start(executablePath);
  try {
    const nextTold = watchSockets();
    const steps = watchSteps(app);
    const runId = await app.start(endless(Number(values.threads ?? 1)));
    const page = await openRun(browser, server.url, runId);
    if (values.page === 'home') await page.evaluate(`location.hash = '#/'`);
    if (values.used) await page.evaluate(`setInterval(() => document.dispatchEvent(new Event('pointermove')), 4000)`);
    await delay(warmMs);
    const devicePid = (await app.handlers.getRun({ runId }, never)).memory.at(-1)!.devices[0]!.pid;
    const pauses: Pause[] = [];
    await nextTold();
    await delay(pauseMs - readMs);
    let before = processorSecs(browser, devicePid);
    for (let index = 0; index < numPauses; index++) {
      const pause = await onePause(browser, await nextTold(), {
        pauseMs,
        spentSecs: before.browser,
        kind: kinds[index % kinds.length]!,
      });
      const after = processorSecs(browser, devicePid);
      pauses.push({ ...pause, shares: sharesOf(before, after) });
      before = after;
    }
    await delay(1000);
    const quiet = pauses.filter(({ shares }) => shares.others < Number(values.others ?? 0.05));
    console.log(
      JSON.stringify(
        { pauses: quiet.length, leftOut: pauses.length - quiet.length, ...report(steps, quiet, pauseMs) },
        null,
        2,
      ),
    );
    await app.stop(runId);
  } finally {
    browser.goOn();
    await browser.close();
    await server.close();
    await app.close();
    await rm(home, { recursive: true });
  }
}

const never = { signal: new AbortController().signal };

function endless(threads: number) {
  const { config } = samples[0]!;
  return parseRunConfig({
    ...config,
    devices: [{ id: 'cpu:0', threads }],
    training: { ...config.training, steps: 100_000 },
    evaluation: { ...config.evaluation, every: 0 },
    checkpoint: { ...config.checkpoint, every: 0 },
  });
}

/** The function returned gives the time when the page is told of events next. */
function watchSockets(): () => Promise<number> {
  let waiting: (at: number) => void = () => undefined;
  const sockets = WebSocket.prototype as { send: (data: unknown) => void };
  const { send } = sockets;
  sockets.send = function (data) {
    if (String(data).startsWith('{"type":"events"')) waiting(performance.now());
    send.call(this, data);
  };
  return () => new Promise((resolve) => (waiting = resolve));
}

/** Grows with every step that is told from now on. */
function watchSteps(app: App): readonly Step[] {
  const steps: Step[] = [];
  let clockAhead = Infinity;
  app.events.subscribe((event) => {
    if (event.name !== 'stepsAppended') return;
    const { stepMs, elapsedMs } = event.payload.columns;
    clockAhead = Math.min(clockAhead, performance.now() - elapsedMs.at(-1)!);
    stepMs.forEach((ms, row) => steps.push({ ms: ms!, endedAt: elapsedMs[row]! + clockAhead }));
  });
  return steps;
}

/** `spentSecs`: the browser's processor time when the last pause ended. */
async function onePause(
  browser: Browser,
  toldAt: number,
  { pauseMs, spentSecs, kind }: { pauseMs: number; spentSecs: number; kind: Pause['kind'] },
): Promise<Omit<Pause, 'shares'>> {
  await delay(toldAt + shownMs - performance.now());
  const updateSecs = browser.processorSecs() - spentSecs;
  const partsFrom = toldAt + shownMs + readMs;
  const partMs = (pauseMs - shownMs - 2 * readMs) / parts.length;
  const edges: number[] = [];
  for (const part of [...parts.keys(), parts.length]) {
    await delay(partsFrom + part * partMs - performance.now());
    if (part === parts.length || goesOn(kind, part)) browser.goOn();
    else browser.stop();
    edges.push(performance.now());
  }
  return { toldAt, edges, kind, updateSecs };
}

const goesOn = (kind: Pause['kind'], part: number): boolean =>
  kind === 'unstopped' || parts[part] === (kind === 'plain');

function processorSecs(browser: Browser, devicePid: number): ProcessorSecs {
  const { user, system } = process.cpuUsage();
  const machine = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return {
    at: performance.now() / 1000,
    browser: browser.processorSecs(),
    device: readProcess(devicePid)!.processorSecs,
    main: (user + system) / 1e6,
    machine: sum(machine) / 1000,
  };
}

function sharesOf(before: ProcessorSecs, after: ProcessorSecs): Pause['shares'] {
  const share = (kind: keyof ProcessorSecs) => (after[kind] - before[kind]) / (after.at - before.at);
  const [browser, main] = [share('browser'), share('main')];
  return { browser, main, others: share('machine') - share('device') - main - browser };
}

function report(steps: readonly Step[], pauses: Pause[], pauseMs: number) {
  const stepMs = median(steps.map(({ ms }) => ms));
  const updates = pauses.map((pause) => updateMs(steps, pause));
  const stopped = pauses.filter(({ kind }) => kind !== 'unstopped');
  const between = stopped.map((pause) => betweenMs(steps, pause) / stepMs);
  const signed = between.map((value, index) => (stopped[index]!.kind === 'inverse' ? -value : value));
  const unstopped = pauses.filter(({ kind }) => kind === 'unstopped');
  const perUpdate = mean(unstopped.map(({ updateSecs }) => 1000 * updateSecs));
  const perPause = mean(unstopped.map(({ shares }) => shares.browser * pauseMs));
  const byUpdates = updates.map((ms) => ms / pauseMs);
  const share = (kind: keyof Pause['shares']) => percent(mean(unstopped.map(({ shares }) => shares[kind])));
  return {
    pauseMs,
    stepMs: { median: rounded(stepMs), deviation: rounded(deviation(steps.map(({ ms }) => ms))) },
    updateMs: estimate(updates, rounded),
    slowDown: {
      byUpdates: estimate(byUpdates, percent),
      betweenThem: estimate(between, percent),
      inAll: sumOf([byUpdates, between], percent),
      control: estimate(signed, percent),
    },
    byProcessorTime: {
      browserMs: { update: rounded(perUpdate), rest: rounded(perPause - perUpdate) },
      inAll: estimate(
        byUpdates.map((share) => (share * perPause) / perUpdate),
        percent,
      ),
    },
    processor: { browser: share('browser'), mainProcess: share('main'), others: share('others') },
  };
}

/** Of steps before the processes are looked at, which takes time as well. */
function updateMs(steps: readonly Step[], { toldAt }: Pause): number {
  const after = steps.filter(({ endedAt }) => endedAt >= toldAt && endedAt < toldAt + shownMs).map(({ ms }) => ms);
  return sum(after.slice(0, hitSteps)) - hitSteps * mean(after.slice(hitSteps));
}

/**
 * By how much a step with the browser going on is longer than one without: the coefficient, by least squares, of the share of a step in which it goes
 * on, beside that of how often the browser was stopped or went on in it, since that wakes each of its threads.
 */
function betweenMs(steps: readonly Step[], { edges, kind }: Pause): number {
  const within = steps.filter(({ ms, endedAt }) => endedAt - ms >= edges[0]! && endedAt <= edges.at(-1)!);
  const shares = within.map(({ ms, endedAt }) => {
    const overlap = (part: number) => Math.min(endedAt, edges[part + 1]!) - Math.max(endedAt - ms, edges[part]!);
    return sum([...parts.keys()].map((part) => (goesOn(kind, part) ? Math.max(0, overlap(part)) / ms : 0)));
  });
  const changes = edges.filter((_, part) => part > 0 && part < parts.length && parts[part] !== parts[part - 1]);
  const counts = within.map(
    ({ ms, endedAt }) => changes.filter((edge) => edge >= endedAt - ms && edge < endedAt).length,
  );
  const [x, z, y] = [shares, counts, within.map(({ ms }) => ms)].map(centred) as [number[], number[], number[]];
  return (dot(x, y) * dot(z, z) - dot(z, y) * dot(x, z)) / (dot(x, x) * dot(z, z) - dot(x, z) ** 2);
}

interface Estimate<T> {
  mean: T;
  interval95: T[];
}

/** Mean and its 95 % interval (normal: there are many). */
const estimate = <T>(values: number[], as: (value: number) => T): Estimate<T> => sumOf([values], as);

/** Of the means of values that are independent of each other. */
function sumOf<T>(all: number[][], as: (value: number) => T): Estimate<T> {
  const at = sum(all.map(mean));
  const half = 1.96 * Math.sqrt(sum(all.map((values) => deviation(values) ** 2 / values.length)));
  return { mean: as(at), interval95: [as(at - half), as(at + half)] };
}

const centred = (values: number[]): number[] => values.map((value) => value - mean(values));
const dot = (one: number[], other: number[]): number => sum(one.map((value, index) => value * other[index]!));
const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: number[]): number => sum(values) / values.length;
const deviation = (values: number[]): number => {
  const at = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - at) ** 2)) / (values.length - 1));
};
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number): number => Number(value.toFixed(1));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
