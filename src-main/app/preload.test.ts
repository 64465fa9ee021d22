// The preload as it is built: a sandboxed page runs exactly this file, so its surface is checked there. Skipped before the first build.

import { EventEmitter } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { expect, test, vi } from 'vitest';
import type { Preload } from '../transport/page.ts';

const built = join(import.meta.dirname, '../../out/preload/preload.cjs');

/** Runs the file as Electron does: CommonJS with `electron` as the only module, and a window. */
function runPreload() {
  const ipcRenderer = Object.assign(new EventEmitter(), { send: vi.fn() });
  const contextBridge = { exposeInMainWorld: vi.fn() };
  const webUtils = { getPathForFile: vi.fn(() => '/data/train.gz') };
  const window = { location: { origin: 'app://sdp-lab' }, postMessage: vi.fn() };
  const modules: Record<string, unknown> = { electron: { ipcRenderer, contextBridge, webUtils } };
  const require = vi.fn((name: string) => modules[name]);
  const names = ['require', 'module', 'exports', 'window'];
  const run = compileFunction(readFileSync(built, 'utf8'), names) as (...values: unknown[]) => void;
  run(require, { exports: {} }, {}, window);
  return { ipcRenderer, contextBridge, webUtils, window, required: require.mock.calls.flat() };
}

test.skipIf(!existsSync(built))('the page sees two functions and nothing else', () => {
  const { contextBridge, ipcRenderer, webUtils, window, required } = runPreload();
  expect(new Set(required)).toEqual(new Set(['electron']));
  expect(contextBridge.exposeInMainWorld).toHaveBeenCalledOnce();
  const [name, exposed] = contextBridge.exposeInMainWorld.mock.calls[0] as [string, Preload];
  expect(name).toBe('sdpLab');
  expect(Object.keys(exposed).sort()).toEqual(['connect', 'pathForFile']);

  exposed.connect();
  expect(ipcRenderer.send.mock.calls).toEqual([['sdp-lab:connect']]);
  const file = { name: 'train.gz' };
  expect(exposed.pathForFile(file)).toBe('/data/train.gz');
  expect(webUtils.getPathForFile).toHaveBeenCalledExactlyOnceWith(file);

  const port = {};
  ipcRenderer.emit('sdp-lab:port', { ports: [port] });
  expect(window.postMessage.mock.calls).toEqual([['sdp-lab:port', 'app://sdp-lab', [port]]]);
});
