// Who may talk to the loopback server. Any page of the browser and any program of the machine can reach its port, so each request must name
// this server as its Host (no rebinding of other names), come from its own page (Origin), and for a socket
// or an upload know the key of the address.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { keyProtocolPrefix, socketPath, socketProtocol } from '../transport/page.ts';

export function newKey(): string {
  return randomBytes(32).toString('base64url');
}

export class Access {
  readonly #hosts: string[];
  readonly #keyHash: Buffer;

  constructor(port: number, key: string) {
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
    this.#keyHash = hash(key);
  }

  /** A page or one of its files. These hold nothing secret; a request of another page is refused all the same. */
  allowsRequest({ headers }: IncomingMessage): boolean {
    return this.#hosts.includes(headers.host ?? '') && (headers.origin === undefined || this.#isOwn(headers));
  }

  allowsSocket({ url, headers }: IncomingMessage): boolean {
    return (
      url === socketPath && this.#hosts.includes(headers.host ?? '') && this.#isOwn(headers) && this.#knowsKey(headers)
    );
  }

  /** Sending files is for the page alone, as commands are. */
  allowsUpload({ headers }: IncomingMessage): boolean {
    const key = /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1];
    return this.#hosts.includes(headers.host ?? '') && this.#isOwn(headers) && this.#isKey(key);
  }

  #isOwn({ origin, host }: IncomingMessage['headers']): boolean {
    return origin === `http://${host}`;
  }

  #knowsKey(headers: IncomingMessage['headers']): boolean {
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
    const key = protocols.find((protocol) => protocol.startsWith(keyProtocolPrefix))?.slice(keyProtocolPrefix.length);
    return protocols.includes(socketProtocol) && this.#isKey(key);
  }

  #isKey(key = ''): boolean {
    return timingSafeEqual(hash(key), this.#keyHash);
  }
}

function hash(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
