// Usage: node bench/learning.mjs --subject llama|resnet [--text FOLDER] [--steps N] [--seeds N] [--out FILE] - what each regime learns
// (see learning.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'learning.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
