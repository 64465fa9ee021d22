// Usage: node bench/dataWait.mjs FOLDER [--steps N] [--threads N] - how long a training step waits for its samples (see dataWait.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'dataWait.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
