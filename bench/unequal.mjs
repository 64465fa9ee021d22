// Usage: node bench/unequal.mjs [--steps N] [--rounds N] - devices of different speed and memory in one run (see unequal.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'unequal.ts'), { logLevel: 'error' });
process.exit(await module.main(process.argv.slice(2)));
