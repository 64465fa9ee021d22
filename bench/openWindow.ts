// How much longer a training step takes while the window shows the run: the sample on one device, in short turns, and the processor time that
// the browser takes. Every other turn is closed; between two of these the page is open, and between the next two closed as well, as a control.
// What a turn between two says is its mean step over the mean step of both. A turn in which other programs took part of the machine is done again.
//
// Turns differ by themselves, so the cost of an update is also taken within the open ones: by how much the step in which a page was told of
// news, and the two after it, are longer than those from the fifth on.

import { readFileSync } from 'node:fs';
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
import { Browser, openRun } from './browser.ts';

const mostTries = 20;
/** Until a page that was opened is compiled, and what opening it left behind is collected in the main process: seen after 19 s. */
const settleMs = 20_000;
const ticksPerSec = 100;

/** What a turn between two closed ones is for. */
const kinds = ['open', 'control'] as const;
type Kind = (typeof kinds)[number];

interface Turn {
  stepMs: number[];
  /** By how many steps each comes after the one in which the page was told last; NaN before the first. */
  lags: number[];
  /** Share of one core, by kind of process of the browser. */
  browser: Record<string, number>;
  main: number;
  others: number;
}

export async function main(args: string[], executablePath: string): Promise<void> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { seconds: number, rounds: number, threads: number, others: number } });
  const [seconds, rounds] = [Number(values.seconds ?? 10), Number(values.rounds ?? 10)];
  if (!(rounds >= 2)) throw new Error('an interval needs two rounds at least');
  const mostOthers = Number(values.others ?? 0.05);
  const home = await mkdtemp(join(tmpdir(), 'sdp-open-window-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  let devicePid = 0;
  app.events.subscribe((event) => {
    if (event.name === 'memorySampled') devicePid = event.payload.memory.devices[0]!.pid;
  });
  const server = await startServer({ app, home, port: 0, rendererDir: join(import.meta.dirname, '../out/renderer') });
  const browser = await Browser.start(executablePath);
  try {
    const told = watchSockets();
    const runId = await app.start(endless(Number(values.threads ?? 1)));
    await delay(settleMs);
    const once = () => quietTurn(mostOthers, () => turn(app, browser, devicePid, seconds, told));
    const closed = [await once()];
    const between: Record<Kind, Turn[]> = { open: [], control: [] };
    for (let round = 0; round < rounds; round++)
      for (const kind of kinds) {
        const page = kind === 'open' ? await openRun(browser, server.url, runId) : undefined;
        between[kind].push(await once());
        await page?.close();
        closed.push(await once());
      }
    report(closed, between);
    await app.stop(runId);
  } finally {
    await browser.close();
    await server.close();
    await app.close();
    await rm(home, { recursive: true });
  }
}

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

/** `mostOthers`: share of one core that other programs may take. */
async function quietTurn(mostOthers: number, once: () => Promise<Turn>): Promise<Turn> {
  for (let tries = 1; ; tries++) {
    const result = await once();
    if (result.others < mostOthers) return result;
    console.error(`other programs took ${percent(result.others)} of a core; again`);
    if (tries === mostTries) throw new Error('other programs are running: there was no quiet turn');
  }
}

async function turn(
  app: App,
  browser: Browser,
  devicePid: number,
  seconds: number,
  told: readonly number[],
): Promise<Turn> {
  await delay(settleMs);
  const before = await processorSecs(browser, devicePid);
  const steps = await stepsWithin(app, seconds);
  const after = await processorSecs(browser, devicePid);
  const share = (from: number, to: number) => (to - from) / (after.at - before.at);
  const ofBrowser: Record<string, number> = {};
  for (const [name, secs] of after.browser) {
    const kind = name.split(' ')[0]!;
    ofBrowser[kind] = (ofBrowser[kind] ?? 0) + share(before.browser.get(name) ?? 0, secs);
  }
  const main = share(before.main, after.main);
  const all = share(before.machine, after.machine);
  const others = all - share(before.device, after.device) - main - sum(Object.values(ofBrowser));
  return { stepMs: steps.map(({ ms }) => ms), lags: lagsOf(steps, told), browser: ofBrowser, main, others };
}

async function processorSecs(browser: Browser, devicePid: number) {
  const ofBrowser = await browser.processorSecs();
  const fields = readFileSync(`/proc/${devicePid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const { user, system } = process.cpuUsage();
  const machine = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return {
    at: performance.now() / 1000,
    browser: ofBrowser,
    device: (Number(fields[11]) + Number(fields[12])) / ticksPerSec,
    main: (user + system) / 1e6,
    machine: sum(machine) / 1000,
  };
}

interface Step {
  ms: number;
  /** By this process's clock. */
  endedAt: number;
}

/** The steps that are told within a time. */
async function stepsWithin(app: App, seconds: number): Promise<Step[]> {
  const columns: { stepMs: number[]; elapsedMs: number[]; at: number }[] = [];
  const off = app.events.subscribe((event) => {
    if (event.name === 'stepsAppended') columns.push({ ...event.payload.columns, at: performance.now() });
  });
  await delay(seconds * 1000);
  off();
  const clockAhead = Math.min(...columns.map(({ at, elapsedMs }) => at - elapsedMs.at(-1)!));
  return columns.flatMap(({ stepMs, elapsedMs }) =>
    stepMs.map((ms, row) => ({ ms, endedAt: elapsedMs[row]! + clockAhead })),
  );
}

/** When pages are told of events, from now on. */
function watchSockets(): readonly number[] {
  const told: number[] = [];
  const sockets = WebSocket.prototype as { send: (data: unknown) => void };
  const { send } = sockets;
  sockets.send = function (data) {
    if (String(data).startsWith('{"type":"events"')) told.push(performance.now());
    send.call(this, data);
  };
  return told;
}

function lagsOf(steps: readonly Step[], told: readonly number[]): number[] {
  const toldDuring = steps.map(({ ms, endedAt }) => told.some((at) => at > endedAt - ms && at <= endedAt));
  let lag = NaN;
  return toldDuring.map((isTold) => (lag = isTold ? 0 : lag + 1));
}

/** What an update adds to the steps, in all; with the half width of its 95 % interval. */
function costOfUpdate(turns: readonly Turn[]): { updates: number; ms: number; half95: number } {
  const from = (least: number, most: number) =>
    turns.flatMap(({ stepMs, lags }) => stepMs.filter((_, index) => lags[index]! >= least && lags[index]! <= most));
  const usual = mean(from(5, Infinity));
  const hit = [0, 1, 2].map((lag) => from(lag, lag));
  const variance = sum(hit.map((times) => deviation(times) ** 2 / times.length));
  const ms = sum(hit.map((times) => mean(times) - usual));
  return { updates: hit[0]!.length, ms: rounded(ms), half95: rounded(1.96 * Math.sqrt(variance)) };
}

function report(closed: Turn[], between: Record<Kind, Turn[]>): void {
  const ratios = (kind: Kind) =>
    between[kind].map(({ stepMs }, round) => {
      const before = 2 * round + kinds.indexOf(kind);
      return mean(stepMs) / mean([closed[before]!, closed[before + 1]!].map((beside) => mean(beside.stepMs)));
    });
  const all = { closed, ...between };
  const ofTurns = <T>(what: (turns: Turn[]) => T) => mapped(all, what);
  console.log(
    JSON.stringify(
      {
        ratio: mapped({ open: ratios('open'), control: ratios('control') }, (values) => ({
          mean: rounded(mean(values)),
          ...{ interval95: interval95(values).map(rounded), median: rounded(median(values)) },
          rounds: values.map(rounded),
        })),
        update: costOfUpdate(between.open),
        stepMs: ofTurns((turns) => {
          const steps = turns.flatMap(({ stepMs }) => stepMs);
          return { mean: rounded(mean(steps)), median: rounded(median(steps)), steps: steps.length };
        }),
        processor: ofTurns((turns) => ({
          ...mapped(turns[0]!.browser, (_, kind) => percent(mean(turns.map(({ browser }) => browser[kind] ?? 0)))),
          browserInAll: percent(mean(turns.map(({ browser }) => sum(Object.values(browser))))),
          mainProcess: percent(mean(turns.map(({ main }) => main))),
          others: percent(mean(turns.map(({ others }) => others))),
        })),
      },
      null,
      2,
    ),
  );
}

/** Of the mean, by Student's t; the rounds of a kind share closed turns with the other kind only. */
function interval95(values: number[]): [number, number] {
  const at = mean(values);
  const half = (quantileOfT(values.length - 1) * deviation(values)) / Math.sqrt(values.length);
  return [at - half, at + half];
}

/** 97.5 % quantile of Student's t; beyond the table by its expansion, which is then right to three digits. */
function quantileOfT(freedom: number): number {
  const table = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
  const z = 1.96;
  return (
    table[freedom - 1] ?? z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2)
  );
}

function mapped<K extends string, T, R>(record: Record<K, T>, value: (of: T, key: K) => R): Record<K, R> {
  return Object.fromEntries(Object.entries<T>(record).map(([key, of]) => [key, value(of, key as K)])) as Record<K, R>;
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: number[]): number => sum(values) / values.length;
const deviation = (values: number[]): number => {
  const at = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - at) ** 2)) / (values.length - 1));
};
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number): number => Number(value.toFixed(3));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
