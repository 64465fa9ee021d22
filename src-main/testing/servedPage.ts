// `sdp serve` as it is built, and a page of it, for tests.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { appContract } from '../contract/contracts.ts';
import { connect } from '../transport/client.ts';
import { keyProtocolPrefix, socketPath, socketProtocol } from '../transport/page.ts';
import { webSocketTransport } from '../transport/webSocket.ts';
import { cliPath } from './lab.ts';

export type PageClient = Awaited<ReturnType<typeof openPage>>;

/** Serves with these flags until `use` returns. */
export async function withServedPage(
  env: NodeJS.ProcessEnv,
  flags: readonly string[],
  use: (client: PageClient, url: URL) => Promise<void>,
): Promise<void> {
  const server = spawn(process.execPath, [cliPath, 'serve', '--json', ...flags], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'exit');
  try {
    const early = ended.then(() => Promise.reject(new Error('sdp serve ended before it served')));
    const [line] = (await Promise.race([once(createInterface(server.stdout), 'line'), early])) as [string];
    early.catch(() => undefined);
    const url = new URL((JSON.parse(line) as { url: string }).url);
    const client = await openPage(url);
    await use(client, url);
    client.close();
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
}

/** The key that the address of a page carries. */
export const keyOf = ({ hash }: URL): string => hash.slice('#key='.length);

async function openPage(url: URL) {
  const protocols = [socketProtocol, keyProtocolPrefix + keyOf(url)];
  const socket = new WebSocket(`ws://${url.host}${socketPath}`, protocols, { origin: url.origin });
  await once(socket, 'open');
  return await connect(webSocketTransport(socket), appContract);
}
