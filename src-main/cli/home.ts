// The app over the state of this user, with device processes of the built worker.

import { join } from 'node:path';
import { createApp, type App } from '../lab/app.ts';
import type { SpawnDevice } from '../processes/deviceProcess.ts';
import { sdpHome } from '../lab/home.ts';
import { spawnDevice } from '../processes/childProcess.ts';

/** Device processes of the built app: out/main/worker.js beside this bundle. */
export function spawnChildDevice(): SpawnDevice {
  return spawnDevice(join(import.meta.dirname, 'worker.js'));
}

export async function openApp(home?: string): Promise<App> {
  return createApp({ home: home ?? (await sdpHome()), spawnDevice: spawnChildDevice() });
}
