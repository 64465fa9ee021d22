// Usage: node scripts/setup.mjs - sets up whatever is missing; a second run prints one line.

import { setUp, SetupError } from './lib/setUp.mjs';

try {
  await setUp({ say: (line) => console.log(line), retryDownloads: true });
  console.log('Everything is set up.');
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
