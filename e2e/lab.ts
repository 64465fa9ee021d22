// The app under test: the built loopback server with a home of its own, opened in Chromium; or the built app in Electron.
//
// `lab.page` is at the first screen. `lab.restart` ends the process (with its checkpoint) and starts it on the same home, for tests of reopening.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { _electron, expect, test as base, type Browser, type Page } from '@playwright/test';
import { machineOf } from '../src-main/testing/defaultHome.ts';

const root = join(import.meta.dirname, '..');

interface Host {
  page: Page;
  close(): Promise<void>;
}

export interface LabUnderTest {
  page: Page;
  /** The data folder; the folder that stands for the machine's own, where `fixedHome` is false. */
  home: string;
  restart(): Promise<void>;
}

/** `fixedHome`: the environment says where the data folder is; false: it can be chosen. */
export const test = base.extend<{ fixedHome: boolean; lab: LabUnderTest }>({
  fixedHome: [true, { option: true }],
  lab: async ({ playwright, browserName, fixedHome }, use, info) => {
    const home = await mkdtemp(join(tmpdir(), 'sdp-e2e-'));
    const isElectron = info.project.name === 'electron';
    const browser = isElectron ? undefined : await playwright[browserName].launch(info.project.use.launchOptions);
    const viewport = info.project.use.viewport;
    const env = { ...definedEnvironment(), ...(fixedHome ? { SDP_HOME: home } : machineOf(home)) };
    const open = async () => watch(browser ? await openServed(browser, env, viewport) : await openElectron(env));
    let host = await open();
    const lab: LabUnderTest = {
      page: host.page,
      home,
      restart: async () => {
        await host.close();
        host = await open();
        lab.page = host.page;
      },
    };
    await use(lab);
    await host.close();
    await browser?.close();
    await rm(home, { recursive: true, force: true });
  },
});

export { expect };

/** Files in a folder and below it. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** An error on the console or an uncaught exception of the page fails the test. */
function watch(host: Host): Host {
  const problems: string[] = [];
  host.page.on('pageerror', (error) => problems.push(error.message));
  host.page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !isExpected(message.text())) problems.push(message.text());
  });
  return {
    page: host.page,
    close: async () => {
      await host.close();
      expect(problems).toEqual([]);
    },
  };
}

/** The browser itself reports a connection that is refused while the server is away. */
const isExpected = (text: string) => /^WebSocket connection to .* failed/.test(text);

async function openServed(
  browser: Browser,
  env: Record<string, string>,
  viewport: { width: number; height: number } | null | undefined,
): Promise<Host> {
  const server = spawn(process.execPath, [join(root, 'out/main/cli.js'), 'serve', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await servedUrl(server);
  const context = await browser.newContext({ viewport: viewport ?? null });
  const page = await context.newPage();
  await page.goto(url);
  return {
    page,
    close: async () => {
      await context.close();
      await ended(server);
    },
  };
}

async function servedUrl(server: ChildProcess): Promise<string> {
  for await (const line of createInterface(server.stdout!)) return (JSON.parse(line) as { url: string }).url;
  throw new Error('the server ended before it told its address');
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGTERM');
  });
}

async function openElectron(env: Record<string, string>): Promise<Host> {
  const executablePath = createRequire(import.meta.url)('electron') as unknown as string;
  const app = await _electron.launch({
    executablePath,
    args: [root],
    env,
  });
  return { page: await app.firstWindow(), close: () => app.close() };
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
