// A message port as a transport: the browser's MessagePort in a page, Electron's MessagePortMain in the main process.

import { createEndpoint } from './endpoint.ts';
import type { Transport } from './transport.ts';

interface Port {
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
}

/** The browser's shape. */
export interface PagePort extends Port {
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: () => void): void;
}

/** Electron's shape. */
export interface MainPort extends Port {
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
}

export function messagePortTransport(port: PagePort | MainPort): Transport {
  const { transport, received, ended } = createEndpoint({
    send: (message) => port.postMessage(message),
    close: () => port.close(),
  });
  if ('on' in port) {
    port.on('message', (event) => received(event.data));
    port.on('close', ended);
  } else {
    port.addEventListener('message', (event) => received(event.data));
    port.addEventListener('close', ended);
  }
  port.start();
  return transport;
}
