// What every adapter shares: messages that come before the listener are kept for it, the close is told once to each listener, and sends after it are dropped.

import type { Transport } from './transport.ts';

/** The medium of one adapter. Neither function is called after the close. */
export interface Medium {
  send(message: unknown): void;
  close(): void;
}

export interface Endpoint {
  transport: Transport;
  /** To be called by the adapter for every message of the peer. */
  received(message: unknown): void;
  /** To be called by the adapter when the medium has ended; more than once does no harm. */
  ended(): void;
}

export function createEndpoint(medium: Medium): Endpoint {
  const early: unknown[] = [];
  const closeListeners: (() => void)[] = [];
  let listener: ((message: unknown) => void) | undefined;
  let closed = false;

  function ended(): void {
    if (closed) return;
    closed = true;
    for (const tell of closeListeners.splice(0)) tell();
  }

  const transport: Transport = {
    send(message) {
      if (!closed) medium.send(message);
    },
    onMessage(next) {
      listener = next;
      for (const message of early.splice(0)) next(message);
    },
    onClose(tell) {
      if (closed) tell();
      else closeListeners.push(tell);
    },
    close() {
      if (closed) return;
      medium.close();
      ended();
    },
  };

  function received(message: unknown): void {
    if (closed) return;
    if (listener) listener(message);
    else early.push(message);
  }

  return { transport, received, ended };
}
