// Where state lives, and the app over it.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { createApp, type App } from '../run/app.ts';
import type { SpawnDevice } from '../run/deviceProcess.ts';
import { spawnDevice } from '../transport/childProcess.ts';

/** $SDP_HOME, or the platform's folder for application data. */
export function sdpHome(): string {
  const { SDP_HOME, APPDATA, XDG_DATA_HOME } = process.env;
  if (SDP_HOME) return SDP_HOME;
  if (process.platform === 'win32') return join(APPDATA ?? join(homedir(), 'AppData/Roaming'), 'sdp-lab');
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/sdp-lab');
  return join(XDG_DATA_HOME || join(homedir(), '.local/share'), 'sdp-lab');
}

/** Device processes of the built app: out/main/worker.js beside this bundle. */
export function spawnChildDevice(): SpawnDevice {
  return spawnDevice(join(import.meta.dirname, 'worker.js'));
}

export function openApp(): Promise<App> {
  return createApp({ home: sdpHome(), spawnDevice: spawnChildDevice() });
}
