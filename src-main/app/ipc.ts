// The one use of raw IPC: a page asks for a port and gets one, if it is the app's own page. Everything else is the contract over that port.

import { ipcMain, MessageChannelMain, type WebFrameMain } from 'electron';
import { reportBug } from '../log/log.ts';
import { servePage, type AppHost } from '../host/appHost.ts';
import { messagePortTransport } from '../transport/messagePort.ts';
import { connectChannel, portChannel } from './channels.ts';
import { pageUrl } from './page.ts';

/** A page that reloads asks again; its old port closes by itself. */
export function connectPages(host: AppHost): void {
  ipcMain.on(connectChannel, ({ senderFrame: frame }) => {
    if (!isOwnPage(frame)) return;
    const { port1, port2 } = new MessageChannelMain();
    servePage(messagePortTransport(port1), host, reportBug);
    frame.postMessage(portChannel, null, [port2]);
  });
}

/** The top frame of a window that shows the app. */
function isOwnPage(frame: WebFrameMain | null): frame is WebFrameMain {
  return frame !== null && frame.parent === null && frame.url.startsWith(pageUrl);
}
