// The app over the state of this user, with device processes of the built worker.

import { join } from 'node:path';
import { createApp, type App } from '../run/app.ts';
import type { SpawnDevice } from '../run/deviceProcess.ts';
import { sdpHome } from '../run/home.ts';
import { spawnDevice } from '../transport/childProcess.ts';

/** Device processes of the built app: out/main/worker.js beside this bundle. */
export function spawnChildDevice(): SpawnDevice {
  return spawnDevice(join(import.meta.dirname, 'worker.js'));
}

export async function openApp(home?: string): Promise<App> {
  return createApp({ home: home ?? (await sdpHome()), spawnDevice: spawnChildDevice() });
}
