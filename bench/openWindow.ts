// How much longer a training step takes while the window shows the run: the sample on one device beside the open page of the run, which is told of
// news after a pause each time. The machine's speed changes by more than is looked for, in tenths of seconds as in minutes; so both parts of the
// answer compare steps that are close to each other, and their intervals come from many such comparisons, one for each pause.
//
// An update: by how much the step in which the page was told, and the two after it, are longer than those that follow.
// Between updates: by how much steps are longer than where all processes of the browser are stopped. They are stopped in four of eight equal parts of
// a pause, in an order that leaves no linear change of speed in the difference, and in the other four of the next pause. The same difference
// without this change of sides is the control: it is zero but for chance.
//
// A pause in which other programs took part of the machine does not count.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { createApp, type App } from '../src-main/run/app.ts';
import { samples } from '../src-main/run/samples.ts';
import { startServer } from '../src-main/serve/server.ts';
import { builtWorker } from '../src-main/testing/lab.ts';
import { cpuPauseMs } from '../src-main/transport/appHost.ts';
import { Browser, openRun, readProcess } from './browser.ts';

/** Until a page that was opened is compiled, what opening it left behind is collected, and it is told as rarely as in a long run. */
const warmMs = 120_000;
/** Until a page that was told has shown it. */
const shownMs = 1500;
/** Left at the end of a pause to look at the processes. */
const readMs = 500;
/** Whether the browser goes on in a part of a pause. */
const parts = [true, false, false, true, false, true, true, false];
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
  /** Whether the browser went on where it is stopped in every other pause. */
  isInverse: boolean;
  /** Of one core, in this pause. */
  shares: Record<'browser' | 'main' | 'others', number>;
}

/** Of processor time so far, with the time. */
type ProcessorSecs = Record<'at' | 'browser' | 'device' | 'main' | 'machine', number>;

export async function main(args: string[], executablePath: string): Promise<void> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { minutes: number, threads: number, others: number } });
  const numPauses = Math.ceil((Number(values.minutes ?? 20) * 60_000) / pauseMs());
  if (!(numPauses >= 4)) throw new Error('intervals need four pauses at least');
  const home = await mkdtemp(join(tmpdir(), 'sdp-open-window-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  const rendererDir = join(import.meta.dirname, '../out/renderer');
  const server = await startServer({ app, home, port: 0, rendererDir });
  const browser = await Browser.start(executablePath);
  try {
    const nextTold = watchSockets();
    const steps = watchSteps(app);
    const runId = await app.start(endless(Number(values.threads ?? 1)));
    await openRun(browser, server.url, runId);
    await delay(warmMs);
    const devicePid = (await app.handlers.getRun({ runId }, never)).memory.at(-1)!.devices[0]!.pid;
    const pauses: Pause[] = [];
    let before = processorSecs(browser, devicePid);
    for (let index = 0; index < numPauses; index++) {
      const pause = await onePause(browser, await nextTold(), index % 2 === 1);
      const after = processorSecs(browser, devicePid);
      pauses.push({ ...pause, shares: sharesOf(before, after) });
      before = after;
    }
    await delay(1000);
    report(steps, pauses, Number(values.others ?? 0.05));
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
const pauseMs = () => cpuPauseMs(cpus().length, Infinity);

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
    stepMs.forEach((ms, row) => steps.push({ ms, endedAt: elapsedMs[row]! + clockAhead }));
  });
  return steps;
}

async function onePause(browser: Browser, toldAt: number, isInverse: boolean): Promise<Omit<Pause, 'shares'>> {
  const partMs = (pauseMs() - shownMs - readMs) / parts.length;
  const edges: number[] = [];
  for (const part of [...parts.keys(), parts.length]) {
    await delay(toldAt + shownMs + part * partMs - performance.now());
    if ((parts[part] ?? !isInverse) !== isInverse) browser.goOn();
    else browser.stop();
    edges.push(performance.now());
  }
  return { toldAt, edges, isInverse };
}

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

function report(steps: readonly Step[], pauses: Pause[], mostOthers: number): void {
  const quiet = pauses.filter(({ shares }) => shares.others < mostOthers);
  const stepMs = median(steps.map(({ ms }) => ms));
  const updates = quiet.map((pause) => updateMs(steps, pause));
  const between = quiet.map((pause) => betweenMs(steps, pause) / stepMs);
  const signed = between.map((value, index) => (quiet[index]!.isInverse ? -value : value));
  const perPause = updates.map((ms, index) => ms / pauseMs() + between[index]!);
  console.log(
    JSON.stringify(
      {
        ...{ pauses: quiet.length, leftOut: pauses.length - quiet.length, pauseMs: pauseMs() },
        stepMs: { median: rounded(stepMs), deviation: rounded(deviation(steps.map(({ ms }) => ms))) },
        updateMs: estimate(updates, rounded),
        slowDown: {
          byUpdates: estimate(
            updates.map((ms) => ms / pauseMs()),
            percent,
          ),
          betweenThem: estimate(between, percent),
          inAll: estimate(perPause, percent),
          control: estimate(signed, percent),
        },
        processor: {
          browser: percent(mean(quiet.map(({ shares }) => shares.browser))),
          mainProcess: percent(mean(quiet.map(({ shares }) => shares.main))),
          others: percent(mean(quiet.map(({ shares }) => shares.others))),
        },
      },
      null,
      2,
    ),
  );
}

function updateMs(steps: readonly Step[], { toldAt, edges }: Pause): number {
  const after = steps.filter(({ endedAt }) => endedAt >= toldAt && endedAt < edges[0]!).map(({ ms }) => ms);
  return sum(after.slice(0, hitSteps)) - hitSteps * mean(after.slice(hitSteps));
}

/** Steps with the browser going on less those without; of steps wholly within a part. */
function betweenMs(steps: readonly Step[], { edges, isInverse }: Pause): number {
  const means = parts.map((_, part) => {
    const [from, to] = [edges[part]!, edges[part + 1]!];
    return mean(steps.filter(({ ms, endedAt }) => endedAt - ms >= from && endedAt < to).map(({ ms }) => ms));
  });
  const of = (kind: boolean) => mean(means.filter((_, part) => (parts[part]! !== isInverse) === kind));
  return of(true) - of(false);
}

/** Mean and its 95 % interval (normal: there are many). */
function estimate<T>(values: number[], as: (value: number) => T): { mean: T; interval95: T[] } {
  const at = mean(values);
  const half = (1.96 * deviation(values)) / Math.sqrt(values.length);
  return { mean: as(at), interval95: [as(at - half), as(at + half)] };
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: number[]): number => sum(values) / values.length;
const deviation = (values: number[]): number => {
  const at = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - at) ** 2)) / (values.length - 1));
};
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number): number => Number(value.toFixed(1));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
