// The app of the process that trains in a data folder, for other commands of the same user: the contract of a page over a Unix socket or a named
// pipe. Its address stands in HOME/control. The socket lies in a folder of its own that nobody else can open.

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { WebSocket, WebSocketServer } from 'ws';
import type { AppCommands } from '../contract/commands.ts';
import { appContract } from '../contract/contracts.ts';
import { UserError } from '../contract/errors.ts';
import type { AppEvents } from '../contract/events.ts';
import { replaceFile } from '../files/files.ts';
import { reportBug } from '../log/log.ts';
import { connect, type Client } from '../transport/client.ts';
import { webSocketTransport } from '../transport/webSocket.ts';
import { webSocketClient } from '../transport/webSocketClient.ts';
import { servePage, type AppHost } from './appHost.ts';

const folderPrefix = 'sdp-lab-control-';
const addressFile = (home: string) => join(home, 'control');

/** By the process that trains in the data folder; returns what ends it. Fails with `storage` where no socket can be made. */
export async function serveControl(home: string, app: AppHost): Promise<() => Promise<void>> {
  const folder = process.platform === 'win32' ? undefined : await mkdtemp(join(tmpdir(), folderPrefix));
  const address = folder ? join(folder, 'socket') : `\\\\.\\pipe\\sdp-lab-${randomBytes(16).toString('hex')}`;
  const server = createServer((_, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ server, maxPayload: 2 ** 20, perMessageDeflate: false });
  sockets.on('connection', (socket) => servePage(webSocketTransport(socket), app, reportBug));
  const removeFolder = (): void => rmSync(folder ?? '', { recursive: true, force: true });
  if (folder) process.once('exit', removeFolder);
  const end = async (): Promise<void> => {
    await rm(addressFile(home), { force: true });
    for (const socket of sockets.clients) socket.terminate();
    server.close();
    if (folder) await rm(folder, { recursive: true, force: true });
    process.off('exit', removeFolder);
  };
  try {
    server.listen(address);
    await once(server, 'listening');
    await replaceFile(addressFile(home), (file) => file.writeFile(address));
  } catch (error) {
    await end();
    throw error;
  }
  return end;
}

/** The app that trains in a data folder; fails with `conflict` where none does. */
export async function connectControl(home: string): Promise<Client<AppCommands, AppEvents>> {
  const address = await readFile(addressFile(home), 'utf8').catch(() => undefined);
  const none = () => new UserError('conflict', `no run is active in ${home}`);
  if (address === undefined) throw none();
  const socket = new WebSocket('ws://localhost/', { createConnection: () => connectSocket(address) });
  // Every error is followed by 'close'.
  socket.on('error', () => undefined);
  return await connect(webSocketClient(socket), appContract).catch((error: unknown) => {
    throw error instanceof UserError && error.code === 'disconnected' ? none() : error;
  });
}

/** Removes the sockets of processes that were killed: nobody listens there any more. */
export async function removeStaleSockets(): Promise<void> {
  const folders = await readdir(tmpdir()).catch(() => []);
  for (const name of folders.filter((one) => one.startsWith(folderPrefix))) {
    const folder = join(tmpdir(), name);
    // Another user's refuses to be looked at, and to be removed.
    if (await isDead(join(folder, 'socket'))) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isDead(address: string): Promise<boolean> {
  const socket = connectSocket(address);
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
