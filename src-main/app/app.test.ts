// The Electron host over a fake `electron` module: what it asks of Electron, and what it does with Electron's events.

import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import { connect } from '../transport/client.ts';
import { EventHub } from '../transport/events.ts';
import { messagePortTransport, type MainPort, type PagePort } from '../transport/messagePort.ts';
import type { App } from '../lab/app.ts';
import type { RunHost } from '../fleet/openFleet.ts';
import { engineArguments } from '../processes/deviceProcess.ts';
import { choiceFile, defaultHome } from '../lab/home.ts';
import { machineOf } from '../testing/defaultHome.ts';

const electron = vi.hoisted(() => ({ current: undefined as unknown as FakeElectron }));
vi.mock(
  'electron',
  () => new Proxy({}, { get: (_, name: keyof FakeElectron) => electron.current[name], has: () => true }),
);
const createApp = vi.hoisted(() => vi.fn());
vi.mock('../lab/app.ts', () => ({ createApp }));

type FakeElectron = ReturnType<typeof fakeElectron>;
let lab: App;

class FakeWindow extends EventEmitter {
  static opened: FakeWindow[] = [];
  static getAllWindows = () => FakeWindow.opened;
  readonly loadURL = vi.fn(() => Promise.resolve());
  readonly show = vi.fn();
  readonly focus = vi.fn();
  readonly restore = vi.fn();
  readonly isMinimized = () => true;
  constructor(readonly options: { webPreferences: Record<string, unknown> }) {
    super();
    FakeWindow.opened.push(this);
  }
}

class FakeUtility extends EventEmitter {
  pid: number | undefined = undefined;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly postMessage = vi.fn();
  readonly kill = vi.fn();
}

/** A real channel whose first end has the shape of Electron's MessagePortMain. */
class FakeChannel {
  readonly port1: MainPort;
  readonly port2: MessagePort;
  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port2 = port2;
    this.port1 = {
      postMessage: (message) => port1.postMessage(message),
      start: () => port1.start(),
      close: () => port1.close(),
      on: (event: string, listener: (event: { data: unknown }) => void) =>
        port1.on(event as 'message', (data: unknown) => listener({ data })),
    };
  }
}

function fakeElectron() {
  FakeWindow.opened = [];
  const app = Object.assign(new EventEmitter(), {
    requestSingleInstanceLock: vi.fn(() => true),
    whenReady: () => Promise.resolve(),
    quit: vi.fn(),
  });
  return {
    app,
    BrowserWindow: FakeWindow,
    dialog: { showErrorBox: vi.fn() },
    ipcMain: new EventEmitter(),
    Menu: { buildFromTemplate: vi.fn((template: unknown) => template), setApplicationMenu: vi.fn() },
    MessageChannelMain: FakeChannel,
    protocol: { registerSchemesAsPrivileged: vi.fn(), handle: vi.fn() },
    session: {
      defaultSession: {
        setPermissionRequestHandler: vi.fn(),
        setPermissionCheckHandler: vi.fn(),
        setDevicePermissionHandler: vi.fn(),
      },
    },
    utilityProcess: { fork: vi.fn(() => new FakeUtility()) },
  };
}

function fakeLab(): App {
  const events = new EventHub<AppEvents>();
  const snapshot = { version: '1', sequence: 0, devices: [], datasets: [], runs: [], samples: [] };
  const handlers = { snapshot: () => snapshot, startSample: vi.fn(() => Promise.resolve({ runId: 'demo' })) };
  return { handlers, events, close: vi.fn(() => Promise.resolve()) } as unknown as App;
}

let argv: string[];
let machine: string;

beforeEach(() => {
  argv = process.argv;
  lab = fakeLab();
  createApp.mockReset().mockImplementation(() => lab);
  machine = mkdtempSync(join(tmpdir(), 'sdp-app-machine-'));
  for (const [name, value] of Object.entries(machineOf(machine))) vi.stubEnv(name, value);
  electron.current = fakeElectron();
  vi.spyOn(process, 'on').mockReturnValue(process);
});

afterEach(() => {
  process.argv = argv;
  rmSync(machine, { recursive: true });
});

async function startDesktop(...args: string[]): Promise<void> {
  process.argv = ['electron', '.', ...args];
  vi.doMock('../host/staticFiles.ts', async (original) => ({
    ...(await original<object>()),
    readStaticFiles: () => new Map([['/', { content: Buffer.from('<title>'), contentType: 'text/html' }]]),
  }));
  vi.resetModules();
  const desktop = await import('./desktop.ts');
  desktop.startDesktop();
}

async function startedDesktop(...args: string[]) {
  await startDesktop(...args);
  await vi.waitFor(() => expect(FakeWindow.opened).toHaveLength(1));
  return { ...electron.current, window: FakeWindow.opened[0]! };
}

test('the window is sandboxed, isolated, without Node, and shows the page of the own scheme', async () => {
  const { window, Menu } = await startedDesktop();
  expect(window.options.webPreferences).toMatchObject({
    preload: expect.stringMatching(/preload[\\/]preload\.cjs$/) as string,
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    webSecurity: true,
    webviewTag: false,
  });
  expect(window.loadURL).toHaveBeenCalledWith('app://sdp-lab/');
  expect(Menu.setApplicationMenu).toHaveBeenCalledOnce();
});

test('the chosen data folder is used; where it is gone, a message says so and the app ends', async () => {
  const chosen = join(machine, 'lab');
  const homes = () => createApp.mock.calls.map(([host]) => (host as RunHost).home);
  await startedDesktop();
  mkdirSync(join(chosen, 'runs'), { recursive: true });
  mkdirSync(defaultHome(), { recursive: true });
  writeFileSync(choiceFile(), JSON.stringify({ folder: chosen }));
  electron.current = fakeElectron();
  await startedDesktop();
  expect(homes()).toEqual([defaultHome(), chosen]);

  rmSync(chosen, { recursive: true });
  vi.spyOn(console, 'error').mockReturnValue();
  electron.current = fakeElectron();
  await startDesktop();
  const { app, dialog } = electron.current;
  await vi.waitFor(() => expect(app.quit).toHaveBeenCalledOnce());
  const [title, text] = dialog.showErrorBox.mock.calls[0] as unknown as [string, string];
  expect(title).toBe('SDP Lab');
  expect(text.startsWith(`the data folder ${chosen} is not there; make it available`)).toBe(true);
  expect([homes().length, FakeWindow.opened]).toEqual([2, []]);
});

test('a second instance ends itself, and the first shows its window', async () => {
  const { app, window } = await startedDesktop();
  app.emit('second-instance');
  expect(window.restore).toHaveBeenCalledOnce();
  expect(window.focus).toHaveBeenCalledOnce();
  app.requestSingleInstanceLock.mockReturnValue(false);
  const desktop = await import('./desktop.ts');
  desktop.startDesktop();
  expect(app.quit).toHaveBeenCalledOnce();
});

test('pages can neither leave nor open windows nor embed', async () => {
  const { app } = await startedDesktop();
  const contents = Object.assign(new EventEmitter(), { setWindowOpenHandler: vi.fn() });
  app.emit('web-contents-created', {}, contents);
  for (const name of ['will-navigate', 'will-frame-navigate', 'will-redirect', 'will-attach-webview']) {
    const preventDefault = vi.fn();
    contents.emit(name, { preventDefault });
    expect(preventDefault).toHaveBeenCalledOnce();
  }
  const handler = contents.setWindowOpenHandler.mock.calls[0]![0] as () => unknown;
  expect(handler()).toEqual({ action: 'deny' });
});

test('every permission but that for messages on the desktop is denied', async () => {
  const { defaultSession } = (await startedDesktop()).session;
  const answer = vi.fn();
  const request = defaultSession.setPermissionRequestHandler.mock.calls[0]![0] as (...args: unknown[]) => void;
  request({}, 'media', answer);
  expect(answer).toHaveBeenCalledExactlyOnceWith(false);
  request({}, 'notifications', answer);
  expect(answer).toHaveBeenLastCalledWith(true);
  for (const set of [defaultSession.setPermissionCheckHandler, defaultSession.setDevicePermissionHandler])
    expect((set.mock.calls[0]![0] as () => boolean)()).toBe(false);
});

test('the own scheme serves the built page with a strict policy and nothing beside it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sdp-app-'));
  mkdirSync(join(folder, 'renderer'));
  writeFileSync(join(folder, 'renderer/index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
  vi.doUnmock('../host/staticFiles.ts');
  vi.resetModules();
  const { registerScheme, servePage } = await import('./page.ts');
  registerScheme();
  servePage(join(folder, 'renderer'));
  rmSync(folder, { recursive: true });
  const { protocol } = electron.current;
  expect(protocol.registerSchemesAsPrivileged).toHaveBeenCalledExactlyOnceWith([
    { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
  const [scheme, handle] = protocol.handle.mock.calls[0] as [string, (request: object) => Response];
  expect(scheme).toBe('app');
  const get = (url: string, method = 'GET') => handle({ url, method });
  const page = get('app://sdp-lab/#/runs');
  expect(await page.text()).toBe('<!doctype html>');
  expect(page.headers.get('content-security-policy')).toContain(
    "default-src 'none'; script-src 'self'; style-src 'self'",
  );
  expect(page.headers.get('content-security-policy')).toContain("connect-src 'self';");
  expect(get('app://sdp-lab/../secret.txt').status).toBe(404);
  expect(get('app://sdp-lab/%2e%2e%2fsecret.txt').status).toBe(404);
  expect(get('app://elsewhere/').status).toBe(403);
  expect(get('app://sdp-lab/', 'POST').status).toBe(403);
});

/** A frame that asks for a port, as the preload of a page does; the port that it got, if any. */
function askForPort(frame: { url: string; parent: unknown } | null): MessagePort | undefined {
  const postMessage = vi.fn();
  electron.current.ipcMain.emit('sdp-lab:connect', { senderFrame: frame && { ...frame, postMessage } });
  const call = postMessage.mock.calls[0] as [string, null, [MessagePort]] | undefined;
  expect(call?.slice(0, 2) ?? ['sdp-lab:port', null]).toEqual(['sdp-lab:port', null]);
  return call?.[2][0];
}

test("the app's own page gets a port to the app", async () => {
  await startedDesktop();
  const port = askForPort({ url: 'app://sdp-lab/#/runs', parent: null })!;
  const client = await connect(messagePortTransport(pagePort(port)), appContract);
  expect((await client.call.snapshot({})).version).toBe('1');
  client.close();
});

/** The browser's shape of a port. */
function pagePort(port: MessagePort): PagePort {
  return {
    postMessage: (message) => port.postMessage(message),
    start: () => port.start(),
    close: () => port.close(),
    addEventListener: (event: string, listener: (event: { data: unknown }) => void) =>
      port.addEventListener(event, listener as () => void),
  };
}

test('any other frame gets none', async () => {
  await startedDesktop();
  expect(askForPort({ url: 'https://attacker.example/', parent: null })).toBeUndefined();
  expect(askForPort({ url: 'app://sdp-lab.attacker.example/', parent: null })).toBeUndefined();
  expect(askForPort({ url: 'file:///app://sdp-lab/', parent: null })).toBeUndefined();
  expect(askForPort({ url: 'app://sdp-lab/', parent: {} })).toBeUndefined();
  expect(askForPort(null)).toBeUndefined();
});

test('quitting ends the active run first, once', async () => {
  const { app } = await startedDesktop();
  app.emit('window-all-closed');
  expect(app.quit).toHaveBeenCalledTimes(1);
  const events = [1, 2, 3].map(() => ({ preventDefault: vi.fn() }));
  app.emit('before-quit', events[0]);
  app.emit('before-quit', events[1]);
  await vi.waitFor(() => expect(app.quit).toHaveBeenCalledTimes(2));
  app.emit('before-quit', events[2]);
  expect(vi.mocked(lab.close)).toHaveBeenCalledOnce();
  expect(events.map(({ preventDefault }) => preventDefault.mock.calls.length)).toEqual([1, 1, 0]);
});

test('--demo starts the sample, and says why where it cannot', async () => {
  await startedDesktop('--demo');
  expect(vi.mocked(lab.handlers.startSample)).toHaveBeenCalledOnce();
  const printed = vi.spyOn(console, 'error').mockReturnValue();
  vi.mocked(lab.handlers.startSample).mockRejectedValue(new Error('no space left'));
  electron.current = fakeElectron();
  const { dialog, app } = await startedDesktop('--demo');
  await vi.waitFor(() => expect(dialog.showErrorBox).toHaveBeenCalledExactlyOnceWith('SDP Lab', 'no space left'));
  expect(app.quit).not.toHaveBeenCalled();
  expect(printed).toHaveBeenCalledOnce();
});

async function utilityDevice() {
  const { spawnUtilityDevice } = await import('./utilityDevice.ts');
  const device = spawnUtilityDevice('/app/out/main/worker.js')('cpu:0');
  const { fork } = electron.current.utilityProcess;
  return { device, fork, child: fork.mock.results[0]!.value as FakeUtility };
}

test('a utility process gets the worker, its name and a minimal environment', async () => {
  vi.stubEnv('NODE_OPTIONS', '--inspect');
  const { fork } = await utilityDevice();
  const [path, args, options] = fork.mock.calls[0] as unknown as [string, string[], { env: object }];
  expect([path, args]).toEqual(['/app/out/main/worker.js', ['cpu:0']]);
  expect(options).toMatchObject({ stdio: ['ignore', 'pipe', 'pipe'], execArgv: [...engineArguments] });
  expect(Object.keys(options.env)).toContain('PATH');
  expect(Object.keys(options.env)).not.toContain('NODE_OPTIONS');
});

test('messages of a utility process pass both ways', async () => {
  const { device, child } = await utilityDevice();
  child.emit('message', { early: true });
  const received: unknown[] = [];
  device.transport.onMessage((message) => received.push(message));
  child.emit('message', { late: true });
  device.transport.send({ hello: 1 });
  expect(received).toEqual([{ early: true }, { late: true }]);
  expect(child.postMessage).toHaveBeenCalledExactlyOnceWith({ hello: 1 });
});

test('the end of a utility process closes its transport and gives code and last output', async () => {
  const { device, child } = await utilityDevice();
  const closed = new Promise((resolve) => device.transport.onClose(() => resolve('closed')));
  child.stderr.end('CUDA error 700\n');
  child.stdout.end();
  await once(child.stderr, 'end');
  child.emit('exit', 134);
  expect(await closed).toBe('closed');
  expect(await device.exited).toEqual({ code: 134, signal: null, lastOutput: 'CUDA error 700' });
});

test('kill ends a utility process at once, one that is still starting too', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const { device, child } = await utilityDevice();
  device.kill();
  expect(kill).not.toHaveBeenCalled();
  child.pid = 4711;
  child.emit('spawn');
  device.kill();
  expect(device.pid).toBe(4711);
  expect(kill.mock.calls).toEqual([
    [4711, 'SIGKILL'],
    [4711, 'SIGKILL'],
  ]);
});
