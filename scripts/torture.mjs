// Usage: node scripts/torture.mjs [--minutes N] [--seed S] [--event I] [--only NAME] - the built app, disturbed at random (see src-main/testing/torture/main.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './lib/processes.mjs';

const { module } = await runnerImport(join(root, 'src-main/testing/torture/main.ts'), { logLevel: 'error' });
process.exit(await module.main(process.argv.slice(2)));
