// Finds, fetches and starts the Electron binary. Where that fails, the caller goes on without: the page on loopback is the same app.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recall, remember } from './freshness.mjs';
import { nodeScript, root, run } from './processes.mjs';

const folder = join(root, 'node_modules/electron');
const day = 24 * 3600_000;

export function hasDisplay() {
  return process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

/** Path of the binary, fetched where it is missing; undefined where it cannot be had. A failed download is tried again after a day. */
export async function electronBinary(say) {
  if (process.platform === 'linux' && process.getuid() === 0) {
    say('Electron does not run as root; opening the page on loopback instead.');
    return undefined;
  }
  const there = installedBinary();
  if (there || Date.now() - (recall('electronFailedAt') ?? 0) < day) return there;
  say('Fetching Electron ...');
  const { timedOut } = await nodeScript('node_modules/electron/install.js', [], {
    stdio: 'capture',
    timeoutMs: 5 * 60_000,
  });
  const fetched = installedBinary();
  if (!fetched) {
    remember('electronFailedAt', Date.now());
    say(`Electron could not be fetched${timedOut ? ' within 5 minutes' : ''}; opening the page on loopback instead.`);
  }
  return fetched;
}

export function installedBinary() {
  try {
    const binary = join(folder, 'dist', readFileSync(join(folder, 'path.txt'), 'utf8').trim());
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** Runs the app to its end; false where Electron could not start (its libraries or its sandbox are missing, for instance). */
export async function runElectron(binary, args, say) {
  const start = Date.now();
  // Ctrl-C reaches Electron as well, which saves the active run before it ends; this script waits for that.
  const wait = () => undefined;
  process.on('SIGINT', wait);
  const { code } = await run(binary, [root, ...args]);
  process.off('SIGINT', wait);
  if (code === 0) return true;
  const failedAtOnce = Date.now() - start < 10_000;
  if (failedAtOnce) say(`Electron ended with code ${code} while starting; opening the page on loopback instead.`);
  else process.exitCode = code;
  return !failedAtOnce;
}
