// Usage: node bench/openWindow.mjs [--minutes N] [--threads N] [--page run|home] [--used] [--others SHARE] - how much an open window slows training (see openWindow.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';
import { chromiumPath } from '../scripts/lib/browsers.mjs';

const { module } = await runnerImport(join(import.meta.dirname, 'openWindow.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2), chromiumPath());
