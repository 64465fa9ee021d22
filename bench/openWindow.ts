// How much longer a training step takes while the window shows the run: the sample on one device, by turns with the page open and closed.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { createApp, type App } from '../src-main/run/app.ts';
import { samples } from '../src-main/run/samples.ts';
import { startServer } from '../src-main/serve/server.ts';
import { builtWorker } from '../src-main/testing/lab.ts';

export async function main(args: string[], executablePath: string): Promise<void> {
  const options = { seconds: { type: 'string' }, rounds: { type: 'string' }, threads: { type: 'string' } } as const;
  const { values } = parseArgs({ args, options });
  const [seconds, rounds] = [Number(values.seconds ?? 15), Number(values.rounds ?? 4)];
  const home = await mkdtemp(join(tmpdir(), 'sdp-open-window-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  const server = await startServer({ app, home, port: 0, rendererDir: join(import.meta.dirname, '../out/renderer') });
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const runId = await app.start(endless(Number(values.threads ?? 1)));
    await stepTimes(app, 10);
    const times: Record<'closed' | 'open', number[]> = { closed: [], open: [] };
    for (let round = 0; round < rounds; round++) {
      times.closed.push(...(await stepTimes(app, seconds)));
      const page = await browser.newPage({ viewport: { width: 1920, height: 1080 } });
      await page.goto(server.url);
      await page.evaluate(`location.hash = '#/runs/${runId}'`);
      await page.getByRole('region', { name: 'Loss' }).waitFor();
      await delay(2000);
      times.open.push(...(await stepTimes(app, seconds)));
      await page.close();
      await delay(1000);
    }
    const [closed, open] = [median(times.closed), median(times.open)];
    console.log(JSON.stringify({ closedMs: closed, openMs: open, ratio: open / closed, steps: times.open.length }));
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

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
