// A message pair: what a typed client and server need of the medium below them (message port, child process, WebSocket, memory).

export interface Transport {
  /** Sends one structured-clonable (over WebSocket: JSON) message; after close it is dropped. */
  send(message: unknown): void;
  /** At most one listener; messages that come before it is set are kept for it. */
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when either side has closed or the peer is gone; at once if that is already so. */
  onClose(listener: () => void): void;
  close(): void;
}
