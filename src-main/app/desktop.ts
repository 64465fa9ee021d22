// The life of the Electron host: one instance, one app, one window; runs end with a checkpoint before it quits.

import { app, BrowserWindow, dialog } from 'electron';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { visible } from '../contract/visible.ts';
import { createApp, type App } from '../lab/app.ts';
import { sdpHome } from '../lab/home.ts';
import { samples } from '../lab/samples.ts';
import { log, reportBug } from '../log/log.ts';
import { connectPages } from './ipc.ts';
import { setMenu } from './menu.ts';
import { registerScheme, servePage } from './page.ts';
import { spawnUtilityDevice } from './utilityDevice.ts';
import { lockPages, openWindow } from './window.ts';

export function startDesktop(): void {
  if (!app.requestSingleInstanceLock()) return app.quit();
  registerScheme();
  app.on('second-instance', showWindow);
  app.on('window-all-closed', () => app.quit());
  app.on('render-process-gone', (_event, _page, { reason }) => log('error', `the process of a page ended: ${reason}`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => app.quit());
  app
    .whenReady()
    .then(open)
    .catch((error: unknown) => {
      show(error);
      app.quit();
    });
}

async function open(): Promise<void> {
  const spawnDevice = spawnUtilityDevice(join(import.meta.dirname, 'worker.js'));
  const lab = await createApp({ home: await sdpHome(), spawnDevice });
  endRunsBeforeQuit(lab);
  lockPages();
  setMenu();
  servePage(join(import.meta.dirname, '../renderer'));
  connectPages(lab);
  openWindow();
  if (process.argv.includes('--demo')) await startDemo(lab).catch(show);
}

async function startDemo({ handlers }: App): Promise<void> {
  await handlers.startSample({ sampleId: samples[0]!.id }, { signal: new AbortController().signal });
}

function endRunsBeforeQuit(lab: App): void {
  let ended = false;
  let ending = false;
  app.on('before-quit', (event) => {
    if (ended) return;
    event.preventDefault();
    if (ending) return;
    ending = true;
    lab
      .close()
      .catch(reportBug)
      .finally(() => {
        ended = true;
        app.quit();
      });
  });
}

function showWindow(): void {
  const [window] = BrowserWindow.getAllWindows();
  if (window?.isMinimized()) window.restore();
  window?.focus();
}

function show(error: unknown): void {
  if (!(error instanceof UserError)) return showSentence(reportBug(error));
  console.error(visible(error.message));
  showSentence(error.message);
}

export function showSentence(sentence: string): void {
  dialog.showErrorBox('SDP Lab', sentence);
}
