// How much longer a training step takes while the window shows the run: the sample on one device, in short turns with the page closed and
// open, and the processor time that the browser takes. A turn in which other programs took part of the machine is done again.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { createApp, type App } from '../src-main/run/app.ts';
import { samples } from '../src-main/run/samples.ts';
import { startServer } from '../src-main/serve/server.ts';
import { builtWorker } from '../src-main/testing/lab.ts';
import { Browser, openRun } from './browser.ts';

const mostTries = 20;
const settleMs = 5000;
const ticksPerSec = 100;

interface Turn {
  stepMs: number[];
  /** Share of one core, by kind of process of the browser. */
  browser: Record<string, number>;
  main: number;
  others: number;
}

export async function main(args: string[], executablePath: string): Promise<void> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { seconds: number, rounds: number, threads: number, others: number } });
  const [seconds, rounds] = [Number(values.seconds ?? 10), Number(values.rounds ?? 10)];
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
    const runId = await app.start(endless(Number(values.threads ?? 1)));
    await stepTimes(app, 10);
    const turns: Record<'closed' | 'open', Turn[]> = { closed: [], open: [] };
    for (let round = 0; round < rounds; round++) {
      turns.closed.push(await quietTurn(mostOthers, () => turn(app, browser, devicePid, seconds)));
      const page = await openRun(browser, server.url, runId);
      turns.open.push(await quietTurn(mostOthers, () => turn(app, browser, devicePid, seconds)));
      await page.close();
    }
    report(turns);
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

async function turn(app: App, browser: Browser, devicePid: number, seconds: number): Promise<Turn> {
  await delay(settleMs);
  const before = await processorSecs(browser, devicePid);
  const stepMs = await stepTimes(app, seconds);
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
  return { stepMs, browser: ofBrowser, main, others };
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

/** Milliseconds of each step that is told within a time. */
async function stepTimes(app: App, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const off = app.events.subscribe((event) => {
    if (event.name === 'stepsAppended') times.push(...event.payload.columns.stepMs);
  });
  await delay(seconds * 1000);
  off();
  return times;
}

function report(turns: Record<'closed' | 'open', Turn[]>): void {
  const [closed, open] = [turns.closed, turns.open].map((some) => median(some.flatMap(({ stepMs }) => stepMs)));
  const [closedMean, openMean] = [turns.closed, turns.open].map((some) => mean(some.flatMap(({ stepMs }) => stepMs)));
  const byRound = turns.open.map(({ stepMs }, round) => median(stepMs) / median(turns.closed[round]!.stepMs));
  const kinds = Object.keys(turns.open[0]!.browser);
  console.log(
    JSON.stringify(
      {
        closedMs: { median: rounded(closed!), mean: rounded(closedMean!) },
        openMs: { median: rounded(open!), mean: rounded(openMean!) },
        ratio: { median: rounded(open! / closed!), mean: rounded(openMean! / closedMean!) },
        ratioOfRounds: byRound.toSorted((a, b) => a - b).map(rounded),
        othersOfTurns: [turns.closed, turns.open].map((some) => percent(mean(some.map(({ others }) => others)))),
        steps: turns.open.flatMap(({ stepMs }) => stepMs).length,
        processorWhileOpen: Object.fromEntries(
          kinds.map((kind) => [kind, percent(mean(turns.open.map(({ browser }) => browser[kind] ?? 0)))]),
        ),
        mainProcess: {
          closed: percent(mean(turns.closed.map(({ main }) => main))),
          open: percent(mean(turns.open.map(({ main }) => main))),
        },
      },
      null,
      2,
    ),
  );
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: number[]): number => sum(values) / values.length;
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const rounded = (value: number): number => Number(value.toFixed(3));
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
