import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { appContract } from '../contract/contracts.ts';
import type { Sample } from '../contract/commands.ts';
import type { AppEvents } from '../contract/events.ts';
import type { ImportState } from '../contract/verdict.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import type { AppHandlers, AppHost } from '../host/appHost.ts';
import { connect } from '../transport/client.ts';
import { EventHub } from '../transport/events.ts';
import { pageTransport, type PageWindow } from '../transport/page.ts';
import { startServer, type PageServer } from './server.ts';

let folder: string;
let home: string;
let rendererDir: string;
let app: AppHost;
let server: PageServer;
let origin: string;
let port: number;
let key: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sdp-serve-'));
  home = join(folder, 'home');
  rendererDir = join(folder, 'renderer');
  mkdirSync(join(rendererDir, 'assets'), { recursive: true });
  writeFileSync(join(rendererDir, 'index.html'), '<!doctype html><title>SDP Lab</title>');
  writeFileSync(join(rendererDir, 'assets/index.js'), 'export {};');
  writeFileSync(join(folder, 'secret.txt'), 'secret');
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  app = fakeApp();
  server = await startServer({ app, home, port: 0, rendererDir });
  const url = new URL(server.url);
  origin = url.origin;
  port = Number(url.port);
  key = url.hash.slice('#key='.length);
});

afterEach(() => server.close());

function fakeApp(): AppHost {
  const events = new EventHub<AppEvents>();
  const samples: Sample[] = [];
  const handlers: Partial<AppHandlers> = {
    snapshot: () => ({
      version: '1',
      sequence: events.sequence,
      devices: [],
      datasets: [],
      damagedDatasets: [],
      runs: [],
      damagedRuns: [],
      samples,
      settings: { theme: 'system' as const, notify: true, startFrom: null },
      dataFolder: { inUse: home, next: home, chosen: false, fixed: false },
      imports: [],
    }),
    startRun: ({ config }) => ({ runId: JSON.stringify(config).length.toString() }),
  };
  return { handlers: handlers as AppHandlers, events };
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
  await expect(startServer({ app, home, port, rendererDir })).rejects.toMatchObject({
    code: 'usage',
    message: `port ${port} is in use; choose another with --port`,
  });
  await expect(startServer({ app, home, port: 65536, rendererDir })).rejects.toMatchObject({
    message: 'port must be from 0 to 65535, got 65536',
  });
  await expect(startServer({ app, home, port: 0, rendererDir: join(folder, 'absent') })).rejects.toMatchObject({
    code: 'usage',
    message: 'the page is not built; run "npm run setup"',
  });
});

interface Sent {
  method?: string;
  body?: string | Buffer;
  headers?: Record<string, string | undefined>;
}

/** A file of the page, or one that differs from it in a point; status and text of the answer. */
function send(path: string, { method = 'PUT', body = 'content', headers: changes = {} }: Sent = {}): Promise<string> {
  const own = { host: `127.0.0.1:${port}`, origin, authorization: `Bearer ${key}`, 'content-length': body.length };
  const headers = Object.entries({ ...own, ...changes }).filter(([, value]) => value !== undefined);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: Object.fromEntries(headers),
      agent: false,
    });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      let text = '';
      response.on('data', (data) => (text += String(data)));
      response.once('end', () => resolve(`${response.statusCode} ${text}`));
    });
    if ('content-length' in changes) outgoing.flushHeaders();
    else outgoing.end(body);
  });
}

const upload = '/upload/0123456789abcdef';
const uploadsFolder = () => join(home, 'uploads', String(process.pid));
const filesIn = (root: string) =>
  existsSync(root) ? readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()) : [];

test('files of the page lie in a folder of their own, with their relative paths, until they are put away', async () => {
  const place = join(uploadsFolder(), '0123456789abcdef');
  const large = Buffer.alloc(5_000_000, 'x');
  expect(await send(`${upload}/beasts/ant/${encodeURIComponent('50 % “ä”?#.jpg')}`)).toBe(`201 ${place}`);
  expect(await send(`${upload}/beasts/bee/1.jpg`, { body: large })).toBe(`201 ${place}`);
  expect(await send('/upload/another-upload-0/empty.txt', { body: '' })).toMatch(/^201 /);
  expect(readFileSync(join(place, 'beasts/ant/50 % “ä”?#.jpg'), 'utf8')).toBe('content');
  expect(readFileSync(join(place, 'beasts/bee/1.jpg')).equals(large)).toBe(true);
  expect(await send(upload, { method: 'DELETE', body: '' })).toBe('200 ');
  expect(filesIn(home).map(({ name }) => name)).toEqual(['empty.txt']);
  expect(await send(`${upload}/late.txt`)).toBe('400 the upload was discarded');
  expect(await send('/upload/put-away-before-0', { method: 'DELETE', body: '' })).toBe('200 ');
  expect(await send('/upload/put-away-before-0/late.txt')).toBe('400 the upload was discarded');
  await server.close();
  expect(filesIn(home)).toEqual([]);
});

test.each([
  ['..', '/%2e%2e/secret.txt'],
  ['.', '/./secret.txt'],
  ['a path in one part', '/..%2f..%2fsecret.txt'],
  ['a path of Windows', '/..%5csecret.txt'],
  ['an absolute path', '//etc/passwd'],
  ['a drive letter', '/C%3A/secret.txt'],
  ['NUL', '/secret%00.txt'],
  ['a control character', '/a%0Ab.txt'],
  ['no UTF-8', '/%ff.txt'],
  ['no name', '/folder/'],
])('an upload named with %s is refused with the whole of it', async (_, path) => {
  await send(`${upload}/good.txt`);
  expect(await send(upload + path)).toMatch(/^400 ".*" (cannot be the name of a file that is sent|is no name)/);
  expect(filesIn(home)).toEqual([]);
  expect(readFileSync(join(folder, 'secret.txt'), 'utf8')).toBe('secret');
});

test.each<[string, string, string, Sent]>([
  ['without a key', '403 forbidden\n', `${upload}/a`, { headers: { authorization: undefined } }],
  ['with a wrong key', '403 forbidden\n', `${upload}/a`, { headers: { authorization: `Bearer ${'A'.repeat(43)}` } }],
  ['from another origin', '403 forbidden\n', `${upload}/a`, { headers: { origin: 'https://attacker.example' } }],
  ['without an origin', '403 forbidden\n', `${upload}/a`, { headers: { origin: undefined } }],
  ['for another host', '403 forbidden\n', `${upload}/a`, { headers: { host: 'attacker.example' } }],
  ['by another method', '405 only PUT of a file and DELETE of an upload', `${upload}/a`, { method: 'POST' }],
  ['of no file', '405 only PUT of a file and DELETE of an upload', upload, {}],
  ['for an impossible folder', '404 there is no such upload', '/upload/../a', {}],
])('an upload %s is refused', async (_, expected, path, changes) => {
  expect(await send(path, changes)).toBe(expected);
  expect(filesIn(home)).toEqual([]);
});

test('a file that the disk has no room for is refused before it is sent, and one without a size', async () => {
  await send(`${upload}/good.txt`);
  const tooLarge = { 'content-length': String(2 ** 52) };
  expect(await send(`${upload}/large.bin`, { headers: tooLarge })).toMatch(
    /^507 a file of 4096\.0 TiB does not fit on the disk of .*; free some space and try again$/,
  );
  expect(filesIn(home)).toEqual([]);
  const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
  expect(await send('/upload/another-upload-0/a', { headers: chunked })).toBe(
    '400 the header Content-Length is required',
  );
});

test('a file that is sent twice, or cut off, takes its upload with it', async () => {
  await send(`${upload}/a.txt`);
  expect(await send(`${upload}/a.txt`)).toBe('400 a file was sent twice');
  expect(filesIn(home)).toEqual([]);
  const socket = connectSocket(port, '127.0.0.1');
  const head = `Host: 127.0.0.1:${port}\r\nOrigin: ${origin}\r\nAuthorization: Bearer ${key}\r\nContent-Length: 100\r\n\r\n`;
  socket.write(`PUT /upload/another-upload-0/a HTTP/1.1\r\n${head}part`);
  await vi.waitUntil(() => filesIn(home).length === 1);
  socket.destroy();
  await vi.waitUntil(() => filesIn(home).length === 0);
});

test('an upload goes when its import has ended, and what other servers left at the next start', async () => {
  await send(`${upload}/a.txt`);
  const state: ImportState = {
    id: 'i',
    name: 'a',
    paths: [join(uploadsFolder(), '0123456789abcdef', 'a.txt')],
    state: 'running',
    unit: 'bytes',
    done: 0,
    total: 0,
    perSecond: 0,
    secondsLeft: null,
    skipped: 0,
    reason: '',
  };
  app.events.emit('importChanged', { import: state });
  app.events.emit('importChanged', { import: { ...state, state: 'done', paths: ['/elsewhere'] } });
  expect(filesIn(home)).toHaveLength(1);
  app.events.emit('importChanged', { import: { ...state, state: 'done' } });
  await vi.waitUntil(() => filesIn(home).length === 0);
  mkdirSync(join(home, 'uploads/999999999/left'), { recursive: true });
  writeFileSync(join(home, 'uploads/999999999/left/file'), '');
  const next = await startServer({ app, home, port: 0, rendererDir });
  expect(filesIn(home)).toEqual([]);
  await next.close();
});

test('a full disk is told in a sentence, and nothing is left', async () => {
  await server.close();
  const done = await withSmallDisk('size=1m', async (disk) => {
    const small = await startServer({ app, home: disk, port, rendererDir, key });
    const half = Buffer.alloc(600_000);
    const answers = await Promise.all([
      send(`${upload}/1`, { body: half }),
      send('/upload/another-upload-0/2', { body: half }),
    ]);
    expect(answers.filter((answer) => /^507 .*free some/.test(answer))).not.toEqual([]);
    await small.close();
    expect(filesIn(disk)).toEqual([]);
  });
  if (!done) console.log('skipped: no file system can be mounted here');
});
