// Where the browsers of the end-to-end tests are.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { installedBinary } from './electron.mjs';

export const runsAsRoot = process.platform === 'linux' && process.getuid() === 0;

const usual = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
];

/** @returns {string | undefined} */
export function chromiumPath() {
  const named = process.env.SDP_CHROMIUM;
  if (named) return existsSync(named) ? named : undefined;
  return usual.find((path) => existsSync(path)) ?? bundled();
}

/** @returns {string | undefined} */
function bundled() {
  const { chromium } = createRequire(import.meta.url)('@playwright/test');
  const path = chromium.executablePath();
  return existsSync(path) ? path : undefined;
}

/** Where Electron can be tested; undefined: its binary or a display is missing.
 * @returns {string | undefined} */
export function electronPath() {
  const display = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  return display ? installedBinary() : undefined;
}
