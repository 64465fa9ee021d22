// The server's end of a WebSocket: one JSON message per text frame. A client too slow to take its messages is cut off; it comes back and asks for a snapshot.

import type { WebSocket } from 'ws';
import { createEndpoint } from './endpoint.ts';
import type { Transport } from './transport.ts';

const maxBufferedBytes = 32 * 2 ** 20;

export function webSocketTransport(socket: WebSocket): Transport {
  const { transport, received, ended } = createEndpoint({
    send: (message) => {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > maxBufferedBytes) return socket.terminate();
      socket.send(JSON.stringify(message));
    },
    close: () => socket.close(),
  });
  socket.on('message', (data, isBinary) => {
    const message = isBinary ? undefined : parseJson((data as Buffer).toString());
    if (message === undefined) socket.close(1007, 'not JSON');
    else received(message);
  });
  socket.on('close', ended);
  // Every error is followed by 'close'.
  socket.on('error', () => undefined);
  return transport;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
