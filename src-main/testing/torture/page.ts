// `sdp serve` with a page that is connected to it: what a browser does, without one.

import WebSocket from 'ws';
import { appContract } from '../../contract/contracts.ts';
import { connect, type Client } from '../../transport/client.ts';
import { keyProtocolPrefix, socketPath, socketProtocol } from '../../transport/page.ts';
import { webSocketClient } from '../../transport/webSocketClient.ts';
import { must, type Command } from './command.ts';
import type { Scene } from './scene.ts';

type AppClient = Client<typeof appContract.commands, typeof appContract.events>;

export interface Page {
  server: Command;
  client: AppClient;
  /** Another page of the same server. */
  another(): Promise<Page>;
  /** Goes away without a word. */
  leave(): void;
  /** Ends the server by a signal to its process; in order, with exit code 0. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export async function openPage(scene: Scene): Promise<Page> {
  const server = scene.start('serve', '--json');
  const isUp = await server.until(() => server.lines.some(({ url }) => url !== undefined));
  must(isUp, `"sdp serve" ended with ${server.code}: ${server.stderr}`);
  return await connectTo(server);
}

async function connectTo(server: Command): Promise<Page> {
  const { origin, host, hash } = new URL(server.lines.find(({ url }) => url !== undefined)!.url!);
  const protocols = [socketProtocol, keyProtocolPrefix + hash.slice('#key='.length)];
  const socket = new WebSocket(`ws://${host}${socketPath}`, protocols, { origin });
  socket.on('error', () => undefined);
  const client = await connect(webSocketClient(socket), appContract);
  client.on('runChanged', (payload) => server.tell({ event: 'runChanged', ...payload }));
  client.on('stepsAppended', () => server.tell({ event: 'stepsAppended' }));
  client.on('checkpointWritten', (payload) => server.tell({ event: 'checkpointWritten', ...payload }));
  return {
    server,
    client,
    another: () => connectTo(server),
    leave: () => socket.terminate(),
    async end(signal) {
      server.signal(signal);
      must((await server.ended()) === 0, `"sdp serve" ended with ${server.code}: ${server.stderr}`);
    },
  };
}
