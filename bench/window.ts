// How fast the page is there, and its frames per second and memory while a run of 8 workers reports: 100 steps a second from its start on, then
// steps as fast as they can be sent, and 100 steps a second after a million. The built page in Chromium, the real server and transport; the events are
// those of a real run, recorded just before and played again and again (recording.ts).

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { AppEvents } from '../src-main/contract/events.ts';
import type { RunDetail } from '../src-main/contract/run.ts';
import { emptyColumns } from '../src-main/contract/steps.ts';
import type { AppHandlers } from '../src-main/host/appHost.ts';
import { startServer } from '../src-main/serve/server.ts';
import { EventHub } from '../src-main/transport/events.ts';
import { Browser, openRun, type BrowserPage } from './browser.ts';
import { Player, recordedSteps, recordRun } from './recording.ts';

const stepsPerSec = 100;
/** Of step events, as main sends them (run/run.ts). */
const eventsPerSec = 5;
const rendererDir = join(import.meta.dirname, '../out/renderer');

interface Frames {
  perSec: number;
  /** Milliseconds between two frames, the largest first. */
  longestMs: number[];
}

export async function main(args: string[], executablePath: string): Promise<void> {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string' }, steps: { type: 'string' } } });
  const [seconds, steps] = [Number(values.seconds ?? 30), Number(values.steps ?? 1_000_000)];
  const recording = await recordRun();
  const events = new EventHub<AppEvents>();
  const player = new Player(recording, events, 2 * steps);
  const home = mkdtempSync(join(tmpdir(), 'sdp-window-'));
  const app = { handlers: handlersOf(events, begun(recording.detail, 2 * steps)), events };
  const server = await startServer({ app, home, port: 0, rendererDir });
  const browser = await Browser.start(executablePath);
  try {
    const firstContentMs = await firstContent(browser, server.url);
    const page = await openRun(browser, server.url, recording.detail.summary.id);
    const idle = await frames(page, 5);
    const heapMib: Record<string, number> = { empty: await page.heapMib() };
    const young = await live(page, player, 10);
    player.play(recordedSteps - (player.step % recordedSteps));
    while (player.step < steps) {
      player.play(recordedSteps / 2);
      if (player.step % (recordedSteps * 10) === 0) await page.evaluate('new Promise(requestAnimationFrame)');
      if (player.step % (steps / 4) === 0) heapMib[`after ${player.step} steps`] = await page.heapMib();
    }
    const old = await live(page, player, seconds);
    heapMib['after the live part'] = await page.heapMib();
    const told = { events: recording.events.length, stepsPerSec: Math.round(recordedSteps / recording.seconds) };
    console.log(
      JSON.stringify(
        { firstContentMs, bundleKib: bundle(), recorded: told, frames: { idle, young, old }, heapMib },
        null,
        2,
      ),
    );
  } finally {
    await browser.close();
    await server.close();
    rmSync(home, { recursive: true });
  }
}

/** Of a warm start, milliseconds from the navigation: to the first paint with content, and to the list of runs. Median of five. */
async function firstContent(browser: Browser, url: string): Promise<{ paint: number; runs: number }> {
  const starts: { paint: number; runs: number }[] = [];
  for (let start = 0; start < 6; start++) {
    const page = await browser.open(url);
    starts.push(
      await page.evaluate<{ paint: number; runs: number }>(`new Promise((resolve) => {
        const look = () => {
          const [paint] = performance.getEntriesByName('first-contentful-paint');
          if (!paint || !document.querySelector('[role=table]')) return requestAnimationFrame(look);
          resolve({ paint: paint.startTime, runs: performance.now() });
        };
        look();
      })`),
    );
    await page.close();
  }
  const median = (values: number[]) => Math.round(values.sort((a, b) => a - b)[values.length >> 1]!);
  const warm = starts.slice(1);
  return { paint: median(warm.map(({ paint }) => paint)), runs: median(warm.map(({ runs }) => runs)) };
}

/** Files of the page by kind: as they are, and compressed as an archive would hold them. */
function bundle(): Record<string, { raw: number; gzip: number }> {
  const folder = join(rendererDir, 'assets');
  const sizes: Record<string, { raw: number; gzip: number }> = {};
  for (const name of readdirSync(folder)) {
    const content = readFileSync(join(folder, name));
    const size = (sizes[name.split('.').at(-1)!] ??= { raw: 0, gzip: 0 });
    size.raw += Number((content.length / 1024).toFixed(1));
    size.gzip += Number((gzipSync(content).length / 1024).toFixed(1));
  }
  return sizes;
}

async function live(page: BrowserPage, player: Player, seconds: number): Promise<Frames> {
  const timer = setInterval(() => player.play(stepsPerSec / eventsPerSec), 1000 / eventsPerSec);
  const counted = await frames(page, seconds);
  clearInterval(timer);
  return counted;
}

async function frames(page: BrowserPage, seconds: number): Promise<Frames> {
  return page.evaluate<Frames>(`(async () => {
    const times = [await new Promise(requestAnimationFrame)];
    while (times.at(-1) - times[0] < ${seconds * 1000}) times.push(await new Promise(requestAnimationFrame));
    const between = times.slice(1).map((time, index) => Math.round(10 * (time - times[index])) / 10);
    const perSec = (1000 * between.length) / (times.at(-1) - times[0]);
    return { perSec: Math.round(10 * perSec) / 10, longestMs: between.sort((a, b) => b - a).slice(0, 10) };
  })()`);
}

/** A run like the recorded one, at its beginning. */
function begun(detail: RunDetail, steps: number): RunDetail {
  return {
    ...detail,
    summary: { ...detail.summary, state: 'training', step: 0, steps },
    columns: emptyColumns(detail.config.subnetworks.workers),
    ...{ evaluations: [], memory: [], gradients: null, checkpoints: [] },
  };
}

/** The commands that the page uses here. */
function handlersOf(events: EventHub<AppEvents>, detail: RunDetail): AppHandlers {
  const settings = { theme: 'system' as const, notify: false, startFrom: null };
  const handlers: Partial<AppHandlers> = {
    snapshot: () => ({
      ...{ version: 'bench', sequence: events.sequence, devices: [], datasets: [], damagedDatasets: [] },
      ...{ runs: [detail.summary], damagedRuns: [], imports: [], samples: [], settings },
      dataFolder: { inUse: '', next: '', chosen: false, fixed: false },
    }),
    getRun: () => detail,
    runLog: () => ({ lines: [] }),
    sampleDevices: () => [],
  };
  return handlers as AppHandlers;
}
