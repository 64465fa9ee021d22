// Usage: node bench/answers.mjs [--preset NAME] [--plan NAME] [--cli PATH] - how soon a page's command is answered (see answers.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'answers.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
