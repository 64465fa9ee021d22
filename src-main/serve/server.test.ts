import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { appContract } from '../contract/contracts.ts';
import type { AppCommands, Sample } from '../contract/commands.ts';
import type { AppEvents } from '../contract/events.ts';
import type { Handlers } from '../contract/rpc.ts';
import type { AppHost } from '../transport/appHost.ts';
import { connect } from '../transport/client.ts';
import { EventHub } from '../transport/events.ts';
import { pageTransport, type PageWindow } from '../transport/page.ts';
import { startServer, type PageServer } from './server.ts';

let folder: string;
let rendererDir: string;
let app: AppHost;
let server: PageServer;
let origin: string;
let port: number;
let key: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sdp-serve-'));
  rendererDir = join(folder, 'renderer');
  mkdirSync(join(rendererDir, 'assets'), { recursive: true });
  writeFileSync(join(rendererDir, 'index.html'), '<!doctype html><title>SDP Lab</title>');
  writeFileSync(join(rendererDir, 'assets/index.js'), 'export {};');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  app = fakeApp();
  server = await startServer({ app, port: 0, rendererDir });
  const url = new URL(server.url);
  origin = url.origin;
  port = Number(url.port);
  key = url.hash.slice('#key='.length);
});

afterEach(() => server.close());

function fakeApp(): AppHost {
  const events = new EventHub<AppEvents>();
  const samples: Sample[] = [];
  const handlers: Partial<Handlers<AppCommands>> = {
    snapshot: () => ({
      version: '1',
      sequence: events.sequence,
      devices: [],
      datasets: [],
      runs: [],
      samples,
      settings: { theme: 'system' as const, notify: true, startFrom: null },
      home: '',
      imports: [],
    }),
    startRun: ({ config }) => ({ runId: JSON.stringify(config).length.toString() }),
  };
  return { handlers: handlers as Handlers<AppCommands>, events };
}

/** A socket of the page, or one that differs from it in a point. */
function openSocket(changes: { protocols?: string[]; origin?: string; host?: string; path?: string } = {}): WebSocket {
  const { protocols = ['sdp-lab', `key.${key}`], path = '/socket', host } = changes;
  const headers = host ? { host } : {};
  const url = `ws://127.0.0.1:${port}${path}`;
  return new WebSocket(url, protocols, { origin: 'origin' in changes ? changes.origin : origin, headers });
}

/** 'open', or the status of the refusal. */
function outcome(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('open', () => (socket.terminate(), resolve('open')));
    socket.once('error', (error) => resolve(error.message));
  });
}

function closeCode(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** Sends text as it is, where a client library would tidy it up. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(port, '127.0.0.1', () => socket.end(text));
    let answer = '';
    socket.on('data', (data) => (answer += String(data)));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('the page and its files are served with their types and a strict policy', async () => {
  const page = await fetch(`${origin}/`);
  expect(await page.text()).toContain('SDP Lab');
  expect(Object.fromEntries(page.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws://127.0.0.1:${port} ws://localhost:${port}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  });
  expect(page.headers.get('access-control-allow-origin')).toBeNull();
  const script = await fetch(`${origin}/assets/index.js?v=1`);
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  const head = await fetch(`${origin}/assets/index.js`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
});

test('only GET and HEAD are answered', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect((await fetch(`${origin}/`, { method })).status).toBe(405);
});

test('a body is not taken, and headers have their limit', async () => {
  const post = `POST /socket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n`;
  const body = 'x'.repeat(2 ** 20);
  expect(await raw(`${post}Content-Length: ${body.length}\r\n\r\n${body}`)).toMatch(/^HTTP\/1\.1 405 /);
  expect(await raw(`${post}X-Long: ${'x'.repeat(2 ** 15)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
});

const outside = [
  '/../secret.txt',
  '/%2e%2e/secret.txt',
  '/..%2fsecret.txt',
  '/assets/..%2f..%2fsecret.txt',
  '/..\\secret.txt',
  '/assets/../../secret.txt',
  '//secret.txt',
  '/assets',
  '/assets/',
  '/%00',
  '/%zz',
  '/constructor',
];

test.each(outside)('%s is not found', async (path) => {
  const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  expect(answer).toContain('not found\n');
});

test('a page is refused to another host name or origin', async () => {
  const get = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve) => {
      request({ port, host: '127.0.0.1', headers }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      }).end();
    });
  expect(await get({ host: `localhost:${port}` })).toBe(200);
  expect(await get({ host: `127.0.0.1:${port}`, origin })).toBe(200);
  expect(await get({ host: `attacker.example:${port}` })).toBe(403);
  expect(await get({ host: '127.0.0.1' })).toBe(403);
  expect(await get({ host: `127.0.0.1:${port}`, origin: 'https://attacker.example' })).toBe(403);
  expect(await get({ host: `127.0.0.1:${port}`, origin: 'null' })).toBe(403);
});

test('a socket opens for the page with the key, by either name of the loopback', async () => {
  expect(await outcome(openSocket())).toBe('open');
  const host = `localhost:${port}`;
  expect(await outcome(openSocket({ host, origin: `http://${host}` }))).toBe('open');
});

test.each([
  ['without a key', { protocols: ['sdp-lab'] }],
  ['with an empty key', { protocols: ['sdp-lab', 'key.'] }],
  ['with a wrong key', { protocols: ['sdp-lab', `key.${'A'.repeat(43)}`] }],
  ['from another origin', { origin: 'https://attacker.example' }],
  ['from another port of the same name', { origin: 'http://127.0.0.1:1' }],
  ['without an origin', { origin: undefined }],
  ['for another host name', { host: 'attacker.example' }],
  ['at another path', { path: '/' }],
])('a socket %s is refused', async (_, changes) => {
  expect(await outcome(openSocket(changes))).toBe('Unexpected server response: 403');
});

test('a message above 1 MiB closes the socket', async () => {
  const socket = openSocket();
  socket.once('open', () => socket.send('x'.repeat(2 ** 20 + 1)));
  expect(await closeCode(socket)).toBe(1009);
});

test.each([
  ['not JSON', 'hello', 1007],
  ['binary', Buffer.from('{}'), 1007],
  ['not of the protocol', '{"type":"shutdown"}', 1005],
])('a message that is %s closes the socket', async (_, message, code) => {
  const socket = openSocket();
  socket.once('open', () => socket.send(message));
  expect(await closeCode(socket)).toBe(code);
});

/** What a browser tab keeps over a reload. */
function tab(hash: string) {
  const stored = new Map<string, string>();
  const location = { host: `127.0.0.1:${port}`, hash, pathname: '/', search: '' };
  class PageSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { origin });
    }
  }
  const page = {
    location,
    history: {
      replaceState: (_: unknown, __: string, url: string) => void (location.hash = new URL(url, origin).hash),
    },
    sessionStorage: {
      getItem: (name: string) => stored.get(name) ?? null,
      setItem: (name: string, value: string) => void stored.set(name, value),
    },
    WebSocket: PageSocket,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  };
  return page as PageWindow;
}

test('a page calls the app, hears its events, and comes back after a reload without the key in its address', async () => {
  const page = tab(new URL(server.url).hash);
  for (const load of ['first', 'reloaded']) {
    const client = await connect(await pageTransport(page), appContract);
    const heard = new Promise((resolve) => client.on('checkpointWritten', resolve));
    expect((await client.call.snapshot({})).version).toBe('1');
    expect(await client.call.startRun({ config: { name: load } })).toEqual({ runId: expect.any(String) as string });
    app.events.emit('checkpointWritten', { runId: load, step: 10 });
    expect(await heard).toEqual({ runId: load, step: 10 });
    expect(page.location.hash).toBe('');
    client.close();
  }
});

test.each(['../config', '../../etc/passwd', 'a/b', '..\\config', '', 'x'.repeat(101)])(
  'a run named %j is refused before anything looks for it',
  async (runId) => {
    const client = await connect(await pageTransport(tab(new URL(server.url).hash)), appContract);
    await expect(client.call.getRun({ runId })).rejects.toThrow(/runId/);
    await expect(client.call.exportRun({ runId, format: 'onnx' })).rejects.toThrow(/runId/);
    client.close();
  },
);

test('a page without the key says where to find it', async () => {
  await expect(pageTransport(tab(''))).rejects.toMatchObject({
    message: 'open this page by the whole address that "sdp serve" printed; it carries the key',
  });
});

test('closing the server disconnects its pages', async () => {
  const client = await connect(await pageTransport(tab(new URL(server.url).hash)), appContract);
  const closed = new Promise((resolve) => client.onClose(() => resolve('told')));
  await server.close();
  expect(await closed).toBe('told');
  await expect(fetch(origin)).rejects.toThrow();
});

test('a port in use, an impossible port and a page that is not built are told in one sentence', async () => {
  await expect(startServer({ app, port, rendererDir })).rejects.toMatchObject({
    code: 'usage',
    message: `port ${port} is in use; choose another with --port`,
  });
  await expect(startServer({ app, port: 65536, rendererDir })).rejects.toMatchObject({
    message: 'port must be from 0 to 65535, got 65536',
  });
  await expect(startServer({ app, port: 0, rendererDir: join(folder, 'absent') })).rejects.toMatchObject({
    code: 'usage',
    message: 'the page is not built; run "npm run setup"',
  });
});
