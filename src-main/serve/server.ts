// The app as a page on loopback: the built renderer over HTTP, its connection as a WebSocket at /socket, files that
// it sends at /upload. access.ts says who gets in.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { UserError } from '../contract/errors.ts';
import { servePage, type AppHost } from '../host/appHost.ts';
import { reportBug } from '../log/log.ts';
import { socketProtocol, uploadPath } from '../transport/page.ts';
import { readStaticFiles, securityHeaders, type StaticFile } from '../host/staticFiles.ts';
import { webSocketTransport } from '../transport/webSocket.ts';
import { Access, newKey } from './access.ts';
import { confined } from './confine.ts';
import { Uploads } from './uploads.ts';

export interface ServerOptions {
  app: AppHost;
  /** The data folder, where uploads go. */
  home: string;
  /** 0: a free one. */
  port: number;
  /** The built page. */
  rendererDir: string;
  /** Default: a new random one. */
  key?: string;
  /** Folder that paths of the page must lie in; default: any may be named. */
  root?: string | undefined;
}

export interface PageServer {
  /** The whole address, with the key. Whoever has it has the app. */
  url: string;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Binds 127.0.0.1 only: to reach it from another machine, forward the same port through ssh. */
export async function startServer({
  app,
  home,
  port,
  rendererDir,
  key = newKey(),
  root,
}: ServerOptions): Promise<PageServer> {
  if (!(port >= 0 && port < 65536))
    throw new UserError('usage', `port must be from 0 to 65535, got ${port}`, { key: 'port' });
  const files = readStaticFiles(rendererDir);
  const host = root === undefined ? app : await confined(app, root, home);
  // A large file takes as long as it takes.
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000 });
  await listen(server, port);
  const uploads = new Uploads(home, app);
  await uploads.removeStale();
  const bound = (server.address() as AddressInfo).port;
  const access = new Access(bound, key);
  const headers = securityHeaders([`ws://127.0.0.1:${bound}`, `ws://localhost:${bound}`]);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 2 ** 20,
    perMessageDeflate: false,
    handleProtocols: () => socketProtocol,
  });
  sockets.on('connection', (socket) => servePage(webSocketTransport(socket), host, reportBug));
  server.on('request', (request, response) => answer(request, response, { access, uploads, files, headers }));
  server.on('upgrade', (request, socket, head) => {
    if (!access.allowsSocket(request)) return refuse(socket);
    sockets.handleUpgrade(request, socket, head, (webSocket) => sockets.emit('connection', webSocket));
  });
  const end = async () => {
    await close(server, sockets);
    await uploads.close();
  };
  return { url: `http://127.0.0.1:${bound}/#key=${key}`, close: end };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, port)));
    server.listen(port, '127.0.0.1', resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, port: number): Error {
  const problem = { EADDRINUSE: 'is in use', EACCES: 'needs more rights' }[error.code ?? ''];
  if (!problem) return error;
  return new UserError('usage', `port ${port} ${problem}; choose another with --port`, { key: 'port', cause: error });
}

interface Site {
  access: Access;
  uploads: Uploads;
  files: Map<string, StaticFile>;
  headers: Record<string, string>;
}

function answer(request: IncomingMessage, response: ServerResponse, { access, uploads, files, headers }: Site): void {
  const end = (status: number, text: string): void => {
    response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
  };
  const { method, url = '' } = request;
  if (!access.allowsRequest(request)) return end(403, 'forbidden\n');
  if (url.startsWith(uploadPath)) {
    if (!access.allowsUpload(request)) return end(403, 'forbidden\n');
    return void uploads.answer(request).then(
      ({ status, text }) => end(status, text),
      (error: unknown) => end(500, `internal error: ${reportBug(error)}\n`),
    );
  }
  if (method !== 'GET' && method !== 'HEAD') return end(405, 'only GET and HEAD\n');
  const file = files.get(url.split('?')[0]!);
  if (!file) return end(404, 'not found\n');
  response.writeHead(200, { ...headers, 'Content-Type': file.contentType, 'Content-Length': file.content.length });
  response.end(method === 'HEAD' ? undefined : file.content);
}

function refuse(socket: Duplex): void {
  socket.on('error', () => undefined);
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

async function close(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const socket of sockets.clients) socket.close(1001, 'the app has ended');
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  const force = setTimeout(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
  }, 500);
  await closed;
  clearTimeout(force);
}
