// Usage: node bench/survive.mjs [--kills N | --main N] [--seed S] - runs whose devices are killed or stand still at random moments, or whose app is
// killed (see survive.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'survive.ts'), { logLevel: 'error' });
process.exit(await module.main(process.argv.slice(2)));
