// Usage: node scripts/sdp.mjs ARGUMENTS - the `sdp` command from a checkout; sets up what is missing first, telling so on standard error only.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/processes.mjs';
import { setUp, SetupError } from './lib/setUp.mjs';

try {
  await setUp({ say: (line) => console.error(line) });
  await import(pathToFileURL(join(root, 'out/main/cli.js')).href);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
