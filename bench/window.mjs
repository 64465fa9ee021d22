// Usage: node bench/window.mjs [--seconds N] [--steps N] - frames per second and memory of the page while a run reports (see window.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';
import { chromiumPath } from '../scripts/lib/browsers.mjs';

const { module } = await runnerImport(join(import.meta.dirname, 'window.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2), chromiumPath());
