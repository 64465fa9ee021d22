// The browser's processor time while the MNIST sample trains, in percent of one core: with the page of the run, with the same page hidden, with
// the first page, and without a page. The built page in headless Chromium, which draws with the processor.

import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { createApp } from '../src-main/lab/app.ts';
import { samples } from '../src-main/lab/samples.ts';
import { startServer } from '../src-main/serve/server.ts';
import { builtWorker } from '../src-main/testing/lab.ts';
import { Browser, openRun } from './browser.ts';

/** Until a page is compiled, and what opening it left behind is collected. */
const warmMs = 30_000;
/** Until a page shows what changed last. */
const shownMs = 3000;

export async function main(args: string[], executablePath: string): Promise<void> {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string' } } });
  const seconds = Number(values.seconds ?? 60);
  const home = await mkdtemp(join(tmpdir(), 'sdp-page-time-'));
  const app = await createApp({ home, spawnDevice: builtWorker() });
  const rendererDir = join(import.meta.dirname, '../out/renderer');
  const server = await startServer({ app, home, port: 0, rendererDir });
  const browser = await Browser.start(executablePath);
  const percent = async (waitMs: number): Promise<number> => {
    await delay(waitMs);
    const [from, secs] = [performance.now(), browser.processorSecs()];
    await delay(seconds * 1000);
    const share = (browser.processorSecs() - secs) / ((performance.now() - from) / 1000);
    return Number((100 * share).toFixed(2));
  };
  try {
    const runId = await app.start(endless());
    const page = await openRun(browser, server.url, runId);
    const run = await percent(warmMs);
    await page.evaluate(hide(true));
    const hidden = await percent(shownMs);
    await page.evaluate(`${hide(false)}; location.hash = '#/'`);
    const first = await percent(warmMs);
    await page.close();
    const none = await percent(shownMs);
    await app.stop(runId);
    console.log(JSON.stringify({ percentOfOneCore: { run, hidden, first, none }, load: loadavg() }, null, 2));
  } finally {
    await browser.close();
    await server.close();
    await app.close();
    await rm(home, { recursive: true });
  }
}

/** Headless pages are always visible. */
const hide = (hidden: boolean) =>
  `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'))`;

function endless() {
  const { config } = samples[0]!;
  return parseRunConfig({
    ...config,
    training: { ...config.training, steps: 100_000 },
    evaluation: { ...config.evaluation, every: 0 },
    checkpoint: { ...config.checkpoint, every: 0 },
  });
}
