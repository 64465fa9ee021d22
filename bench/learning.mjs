// Usage: node bench/learning.mjs [--subject llama|resnet] [--steps N] [--batch N] [--sequence N] [--seeds N] [--threads N] [--out FOLDER]
// [--table FILE] - what each regime learns (see learning.ts); both subjects where none is named.

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'learning.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
