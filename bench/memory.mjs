// Usage: node bench/memory.mjs [--only NAME] [--out FOLDER] - predicted and measured memory of runs, as bench/memory.md (see memory.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'memory.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
