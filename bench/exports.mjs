// Usage: node bench/exports.mjs [--preset NAME] [--steps N] [--only sample|LLaMA] - time, memory, size and quality of exports (see exports.ts).
//
// The runtime is imported while it runs, so the server that reads TypeScript stays until the end.

import { join } from 'node:path';
import { createServer } from 'vite';

const server = await createServer({
  configFile: false,
  appType: 'custom',
  logLevel: 'error',
  server: { middlewareMode: true, ws: false, watch: null },
});
try {
  const { main } = await server.ssrLoadModule(join(import.meta.dirname, 'exports.ts'));
  await main(process.argv.slice(2));
} finally {
  await server.close();
}
