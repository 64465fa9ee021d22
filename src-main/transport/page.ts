// How the page reaches its app: by the port that Electron's preload hands over, or by a WebSocket to the loopback server that served it.
//
// The server's address carries a key in its fragment (`#key=...`), which no request contains. It moves to the tab's session storage at once:
// it survives a reload, belongs to this origin alone, and does not stay in the address bar.

import { UserError } from '../contract/errors.ts';
import { messagePortTransport, type PagePort } from './messagePort.ts';
import type { Transport } from './transport.ts';
import { webSocketClient, type BrowserSocket } from './webSocketClient.ts';

/** What Electron's preload puts on the window. */
export interface Preload {
  /** Asks for a port; it comes as a window message, see `portMessage`. */
  connect(): void;
  /** Path of a file that was dropped on the window; empty for one that is not on disk. */
  pathForFile(file: unknown): string;
}

/** Data of the window message that carries the port. */
export const portMessage = 'sdp-lab:port';

/** Subprotocol of the WebSocket; a second one carries the key. */
export const socketProtocol = 'sdp-lab';
export const keyProtocolPrefix = 'key.';
export const socketPath = '/socket';

/** Files are sent below it, with the key as `Authorization: Bearer KEY`; see serve/uploads.ts. */
export const uploadPath = '/upload/';

/** What is used of the window; a parameter so that it can be tested without one. */
export interface PageWindow {
  sdpLab?: Preload;
  location: { host: string; hash: string; pathname: string; search: string };
  history: { replaceState(state: unknown, unused: string, url: string): void };
  sessionStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
  WebSocket: new (url: string, protocols: string[]) => BrowserSocket;
  addEventListener(type: 'message', listener: (event: PortEvent) => void): void;
  removeEventListener(type: 'message', listener: (event: PortEvent) => void): void;
}

interface PortEvent {
  source: unknown;
  data: unknown;
  ports: readonly PagePort[];
}

/** A new connection to the app; to be called again after one was lost. */
export async function pageTransport(page: PageWindow): Promise<Transport> {
  return page.sdpLab ? await portFromPreload(page, page.sdpLab) : socketToServer(page);
}

function portFromPreload(page: PageWindow, preload: Preload): Promise<Transport> {
  return new Promise((resolve) => {
    function receive({ source, data, ports }: PortEvent): void {
      if (source !== page || data !== portMessage || !ports[0]) return;
      page.removeEventListener('message', receive);
      resolve(messagePortTransport(ports[0]));
    }
    page.addEventListener('message', receive);
    preload.connect();
  });
}

function socketToServer(page: PageWindow): Transport {
  const key = sessionKey(page);
  if (!key)
    throw new UserError('usage', 'open this page by the whole address that "sdp serve" printed; it carries the key');
  const protocols = [socketProtocol, keyProtocolPrefix + key];
  return webSocketClient(new page.WebSocket(`ws://${page.location.host}${socketPath}`, protocols));
}

const keyName = 'sdp-lab key';

/** The key of the server that this page came from; null in Electron and without the whole address. */
export function sessionKey(page: Pick<PageWindow, 'location' | 'history' | 'sessionStorage'>): string | null {
  const { hash, pathname, search } = page.location;
  const key = /^#key=([\w-]{16,128})$/.exec(hash)?.[1];
  if (!key) return page.sessionStorage.getItem(keyName);
  page.sessionStorage.setItem(keyName, key);
  page.history.replaceState(null, '', pathname + search);
  return key;
}
