// A headless browser and its pages, by the DevTools protocol alone: a testing library would ask to be told of each message that a page gets,
// which takes processor time from what is measured.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';

type Message = Record<string, unknown>;
type Call = (method: string, params?: Message) => Promise<Message>;

const ticksPerSec = 100;

/** Of Linux's table of processes; undefined where it has ended. */
function readProcess(pid: string): { group: number; processorSecs: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return { group: Number(fields[2]), processorSecs: (Number(fields[11]) + Number(fields[12])) / ticksPerSec };
  } catch {
    return undefined;
  }
}

export class Browser {
  private nextId = 0;

  private constructor(
    private readonly child: ChildProcess,
    private readonly profile: string,
    private readonly socket: WebSocket,
  ) {}

  static async start(executablePath: string): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'sdp-browser-'));
    const args = ['--headless', '--no-sandbox', '--no-first-run', '--remote-debugging-port=0', 'about:blank'];
    const child = spawn(executablePath, [...args, `--user-data-dir=${profile}`], {
      // A process group of its own, which does not end with this one by itself.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        process.kill(-child.pid!, 'SIGKILL');
        process.exit(1);
      });
    for await (const line of createInterface(child.stderr)) {
      const address = /^DevTools listening on (.*)$/.exec(line)?.[1];
      if (!address) continue;
      child.stderr.resume();
      const socket = new WebSocket(address);
      await once(socket, 'open');
      return new Browser(child, profile, socket);
    }
    throw new Error(`${executablePath} ended before it could be spoken to`);
  }

  /** A page at an address, its document begun, 1920 x 1080. */
  async open(url: string): Promise<BrowserPage> {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank', newWindow: true });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    const call: Call = (method, params) => this.call(method, params, sessionId as string);
    const screen = { width: 1920, height: 1080, deviceScaleFactor: 1, mobile: false };
    await call('Emulation.setDeviceMetricsOverride', screen);
    await call('Page.navigate', { url });
    return new BrowserPage(call, async () => void (await this.call('Target.closeTarget', { targetId })));
  }

  /** Of all its processes so far. */
  processorSecs(): number {
    let secs = 0;
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      const found = readProcess(name);
      if (found && found.group === this.child.pid) secs += found.processorSecs;
    }
    return secs;
  }

  async close(): Promise<void> {
    const ended = once(this.child, 'exit');
    await this.call('Browser.close');
    await ended;
    await rm(this.profile, { recursive: true, maxRetries: 5 });
  }

  private call(method: string, params: Message = {}, sessionId?: string): Promise<Message> {
    const id = ++this.nextId;
    return new Promise((resolve, reject) => {
      const receive = (data: Buffer): void => {
        const message = JSON.parse(data.toString()) as { id?: number; result?: Message; error?: { message: string } };
        if (message.id !== id) return;
        this.socket.off('message', receive);
        if (message.result) resolve(message.result);
        else reject(new Error(`${method}: ${message.error?.message}`));
      };
      this.socket.on('message', receive);
      this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }
}

export class BrowserPage {
  constructor(
    readonly call: Call,
    readonly close: () => Promise<void>,
  ) {}

  /** The value of an expression in the page, awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(`in the page: ${JSON.stringify(answer.exceptionDetails)}`);
    return (answer.result as { value: T }).value;
  }

  async waitFor(selector: string): Promise<void> {
    while (!(await this.evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}) !== null`)))
      await delay(100);
  }

  /** MiB of objects and of typed arrays, after a collection. */
  async heapMib(): Promise<number> {
    await this.call('HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = (await this.call('Runtime.getHeapUsage')) as Record<string, number>;
    return Number(((usedSize! + backingStorageSize!) / 2 ** 20).toFixed(1));
  }
}

/** The page of a run, its curves there. */
export async function openRun(browser: Browser, url: string, runId: string): Promise<BrowserPage> {
  const page = await browser.open(url);
  await page.waitFor('[role=table]');
  await page.evaluate(`location.hash = '#/runs/${runId}'`);
  await page.waitFor('.uplot');
  return page;
}
