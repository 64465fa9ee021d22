// A transport pair within one process. Messages are cloned and arrive later, as over any other medium.

import { createEndpoint, type Endpoint } from './endpoint.ts';
import type { Transport } from './transport.ts';

export function memoryPair(): [Transport, Transport] {
  const left: Endpoint = createEndpoint({ send: (message) => deliver(message, right), close: () => hangUp(right) });
  const right: Endpoint = createEndpoint({ send: (message) => deliver(message, left), close: () => hangUp(left) });
  return [left.transport, right.transport];
}

function deliver(message: unknown, to: Endpoint): void {
  const copy: unknown = structuredClone(message);
  queueMicrotask(() => to.received(copy));
}

function hangUp(peer: Endpoint): void {
  queueMicrotask(() => peer.ended());
}
