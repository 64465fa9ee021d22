// The page's end of a WebSocket. Messages sent before it is open wait for it.

import { createEndpoint } from './endpoint.ts';
import type { Transport } from './transport.ts';

/** What is used of the browser's WebSocket. */
export interface BrowserSocket {
  readonly readyState: number;
  send(data: string): void;
  close(): void;
  addEventListener(type: 'open' | 'close', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}

const connecting = 0;

export function webSocketClient(socket: BrowserSocket): Transport {
  const waiting: string[] = [];
  const { transport, received, ended } = createEndpoint({
    send: (message) => {
      const text = JSON.stringify(message);
      if (socket.readyState === connecting) waiting.push(text);
      else socket.send(text);
    },
    close: () => socket.close(),
  });
  socket.addEventListener('open', () => waiting.splice(0).forEach((text) => socket.send(text)));
  socket.addEventListener('message', ({ data }) => received(JSON.parse(String(data))));
  socket.addEventListener('close', ended);
  return transport;
}
