// The window, and what no page in it may do: leave, open others, embed, or ask for permissions other than for messages on the desktop.

import { app, BrowserWindow, session, type WebContents } from 'electron';
import { join } from 'node:path';
import { pageUrl } from './page.ts';

export function openWindow(): BrowserWindow {
  const window = new BrowserWindow({
    title: 'SDP Lab',
    width: 1400,
    height: 900,
    minWidth: 800,
    minHeight: 600,
    show: false,
    webPreferences: {
      preload: join(import.meta.dirname, '../preload/preload.cjs'),
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      spellcheck: false,
    },
  });
  window.once('ready-to-show', () => window.show());
  void window.loadURL(pageUrl);
  return window;
}

/** For every page of the app, those that something else may create included. */
export function lockPages(): void {
  app.on('web-contents-created', (_, contents) => lock(contents));
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((_contents, permission, answer) => answer(permission === 'notifications'));
  defaultSession.setPermissionCheckHandler((_contents, permission) => permission === 'notifications');
  defaultSession.setDevicePermissionHandler(() => false);
}

function lock(contents: WebContents): void {
  const refuse = (event: { preventDefault(): void }): void => event.preventDefault();
  contents.on('will-navigate', refuse);
  contents.on('will-frame-navigate', refuse);
  contents.on('will-redirect', refuse);
  contents.on('will-attach-webview', refuse);
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
}
