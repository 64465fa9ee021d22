// Usage: node bench/pageTime.mjs [--seconds N] - the browser's processor time while a run trains beside its page (see pageTime.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';
import { chromiumPath } from '../scripts/lib/browsers.mjs';

const { module } = await runnerImport(join(import.meta.dirname, 'pageTime.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2), chromiumPath());
