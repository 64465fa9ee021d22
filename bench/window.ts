// How fast the page is there, and its frames per second and memory while a run of 8 workers reports: first its steps as fast as they can be
// sent (a run of a million steps), then 100 steps a second. The built page in Chromium, the real server and transport; the run is made up.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { chromium, type BrowserContext, type Page } from '@playwright/test';
import type { AppCommands } from '../src-main/contract/commands.ts';
import type { AppEvents } from '../src-main/contract/events.ts';
import type { Handlers } from '../src-main/contract/rpc.ts';
import { noLoss, type RunDetail, type StepColumns } from '../src-main/contract/run.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { emptyColumns } from '../src-main/run/stepMerger.ts';
import { startServer } from '../src-main/serve/server.ts';
import { EventHub } from '../src-main/transport/events.ts';

const numWorkers = 8;
const stepsPerSec = 100;
const eventsPerSec = 20;
const rowsOfBatch = 2000;
const runId = '20260101-000000-bench';
const rendererDir = join(import.meta.dirname, '../out/renderer');

export async function main(args: string[], executablePath: string): Promise<void> {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string' }, steps: { type: 'string' } } });
  const [seconds, steps] = [Number(values.seconds ?? 30), Number(values.steps ?? 1_000_000)];
  const events = new EventHub<AppEvents>();
  const home = mkdtempSync(join(tmpdir(), 'sdp-window-'));
  const app = { handlers: handlersOf(events, steps), events };
  const server = await startServer({ app, home, port: 0, rendererDir });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext({ viewport: { width: 1920, height: 1080 } });
    const firstContentMs = await firstContent(context, server.url);
    const page = await context.newPage();
    await page.goto(server.url);
    await page.evaluate(`location.hash = '#/runs/${runId}'`);
    await page.getByRole('region', { name: 'Loss' }).waitFor();
    const idle = await framesPerSec(page, 5, () => undefined);
    const heapMib: Record<string, number> = { empty: await heap(page) };
    let sent = 0;
    while (sent < steps) {
      events.emit('stepsAppended', { runId, columns: columnsOf(sent, rowsOfBatch) });
      sent += rowsOfBatch;
      if (sent % (rowsOfBatch * 50) === 0) await page.evaluate('new Promise(requestAnimationFrame)');
      if (sent % Math.ceil(steps / 4) < rowsOfBatch) heapMib[`after ${sent} steps`] = await heap(page);
    }
    const live = await framesPerSec(page, seconds, () => {
      const rows = stepsPerSec / eventsPerSec;
      events.emit('stepsAppended', { runId, columns: columnsOf(sent, rows) });
      sent += rows;
    });
    heapMib['after the live part'] = await heap(page);
    console.log(
      JSON.stringify({ firstContentMs, bundleKib: bundle(), framesPerSec: { idle, live }, heapMib }, null, 2),
    );
  } finally {
    await browser.close();
    await server.close();
    rmSync(home, { recursive: true });
  }
}

/** Of a warm start, milliseconds from the navigation: to the first paint with content, and to the list of runs. Median of five. */
async function firstContent(context: BrowserContext, url: string): Promise<{ paint: number; runs: number }> {
  const starts: { paint: number; runs: number }[] = [];
  for (let start = 0; start < 6; start++) {
    const page = await context.newPage();
    await page.goto(url, { waitUntil: 'commit' });
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

/** Frames in the page while `tell` is called 20 times a second. */
async function framesPerSec(page: Page, seconds: number, tell: () => void): Promise<number> {
  const timer = setInterval(tell, 1000 / eventsPerSec);
  // As text: this file is not of the page's world.
  const counted = await page.evaluate<number>(`(async () => {
    const from = performance.now();
    let frames = 0;
    while (performance.now() - from < ${seconds * 1000}) {
      await new Promise(requestAnimationFrame);
      frames += 1;
    }
    return frames / ((performance.now() - from) / 1000);
  })()`);
  clearInterval(timer);
  return Number(counted.toFixed(1));
}

/** MiB of objects and of typed arrays, after a collection. */
async function heap(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const usage = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return Number(((usage.usedSize + usage.backingStorageSize) / 2 ** 20).toFixed(1));
}

function columnsOf(first: number, rows: number): StepColumns {
  const columns = emptyColumns(numWorkers);
  for (let step = first; step < first + rows; step++) {
    columns.step.push(step);
    columns.gradNorm.push(1 + Math.random());
    columns.learningRate.push(0.1);
    columns.stepMs.push(10);
    columns.elapsedMs.push(10 * (step + 1));
    for (let worker = 0; worker < numWorkers; worker++) {
      columns.loss[worker]!.push(2 / (1 + step / 1e5) + 0.1 * Math.random());
      columns.computeMs[worker]!.push(8 + Math.random());
      columns.syncMs[worker]!.push(1);
      columns.dataMs[worker]!.push(0.1);
    }
  }
  return columns;
}

/** The two commands that the page uses here. */
function handlersOf(events: EventHub<AppEvents>, steps: number): Handlers<AppCommands> {
  const config = parseRunConfig({
    name: 'bench',
    model: { family: 'resnet' },
    data: { dataset: 'none' },
    subnetworks: { workers: numWorkers },
    training: { steps: 2 * steps },
  });
  const summary = {
    ...{ id: runId, name: 'bench', state: 'training' as const, reason: '', step: 0, steps: 2 * steps },
    ...{
      createdAt: '2026-01-01T00:00:00Z',
      accuracy: null,
      perplexity: null,
      fingerprint: '',
      warning: '',
      curve: noLoss,
      dataset: 'none',
    },
  };
  const detail: RunDetail = {
    ...{ summary, config, plan: null, columns: emptyColumns(numWorkers) },
    ...{ evaluations: [], memory: [], gradients: null, checkpoints: [], exports: [] },
  };
  const settings = { theme: 'system' as const, notify: false, startFrom: null };
  const handlers: Partial<Handlers<AppCommands>> = {
    snapshot: () => ({
      ...{ version: 'bench', sequence: events.sequence, devices: [], datasets: [], runs: [summary] },
      ...{ imports: [], samples: [], settings, home: '' },
    }),
    getRun: () => detail,
    runLog: () => ({ lines: [] }),
    sampleDevices: () => [],
  };
  return handlers as Handlers<AppCommands>;
}
