// How long a page waits for the answer to a command that costs nothing, while `sdp serve` plans a large model, starts a run, trains, and
// exports: asked every 20 ms over the page's own connection, whether or not the answer before has come.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import type { AppCommands } from '../src-main/contract/commands.ts';
import { appContract } from '../src-main/contract/contracts.ts';
import type { AppEvents } from '../src-main/contract/events.ts';
import { parseRunConfig } from '../src-main/contract/runConfig.ts';
import { connect, type Client } from '../src-main/transport/client.ts';
import { socketProtocol } from '../src-main/transport/page.ts';
import { webSocketClient, type BrowserSocket } from '../src-main/transport/webSocketClient.ts';

const everyMs = 20;

export type Page = Client<AppCommands, AppEvents>;

export async function main(args: string[]): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: { preset: text, plan: text, cli: text } });
  const { preset = '134M', plan = '1B', cli = join(import.meta.dirname, '../out/main/cli.js') } = values;
  const home = await mkdtemp(join(tmpdir(), 'sdp-answers-'));
  const server = spawn(process.execPath, [cli, 'serve', '--port', '0', '--json'], {
    env: { ...process.env, SDP_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const page = await openPage(server);
    // The first plan imports the dataset.
    await page.call.planRun({ config: configOf('15M', 2) });
    await report(page, `planning ${plan}, 8 workers`, page.call.planRun({ config: configOf(plan, 8) }));
    const runId = await report(page, `start of ${preset}, 4 workers, to its first step`, started(page, preset));
    await report(page, 'five seconds of training', new Promise((resolve) => setTimeout(resolve, 5000)));
    await report(page, 'stop, with its checkpoint', page.call.stopRun({ runId }));
    for (const format of ['safetensors', 'onnx'] as const)
      await report(page, `export of ${format}`, page.call.exportRun({ runId, format }));
    page.close();
  } finally {
    server.kill('SIGINT');
    if (server.exitCode === null) await once(server, 'exit');
    await rm(home, { recursive: true, force: true });
  }
}

const configOf = (preset: string, workers: number) =>
  parseRunConfig({
    name: 'answers',
    model: { family: 'llama', preset, vocab: 32_000, seq: 256 },
    data: { dataset: 'speeches' },
    subnetworks: { workers, coverage: 2, granularity: 'neuron', masking: 'forward' },
    devices: ['cpu:0'],
    training: { steps: 100_000, batch: workers, optimizer: 'adamw' },
    evaluation: { every: 0, samples: 4 },
    checkpoint: { every: 0 },
  });

export async function openPage(server: ChildProcess): Promise<Page> {
  const [line] = (await once(createInterface(server.stdout!), 'line')) as [string];
  const url = new URL((JSON.parse(line) as { url: string }).url);
  const protocols = [socketProtocol, `key.${url.hash.slice('#key='.length)}`];
  const socket = new WebSocket(`ws://${url.host}/socket`, protocols, { origin: url.origin });
  return await connect(webSocketClient(socket as unknown as BrowserSocket), appContract);
}

/** The run's id, once it has done a step. */
async function started(page: Page, preset: string): Promise<string> {
  const ended = new Promise<never>((_, reject) => {
    page.on('runChanged', ({ summary: { state, reason } }) => state === 'failed' && reject(new Error(reason)));
  });
  const stepped = new Promise((resolve) => page.on('stepsAppended', resolve));
  const { runId } = await page.call.startRun({ config: configOf(preset, 4) });
  await Promise.race([stepped, ended]);
  return runId;
}

/** Prints how long answers took while the work went on. */
async function report<T>(page: Page, what: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const waits: Promise<number>[] = [];
  const ask = async () => {
    const askedAt = performance.now();
    await page.call.setVisible({ visible: true });
    return performance.now() - askedAt;
  };
  const timer = setInterval(() => waits.push(ask()), everyMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    const seconds = (performance.now() - startedAt) / 1000;
    const ms = (await Promise.all(waits)).sort((a, b) => a - b);
    const at = (share: number) => Math.round(ms[Math.floor(share * (ms.length - 1))] ?? 0);
    const answers = { asked: ms.length, medianMs: at(0.5), percentile99Ms: at(0.99), longestMs: at(1) };
    console.log(JSON.stringify({ what, seconds: Number(seconds.toFixed(1)), ...answers }));
  }
}
