// Usage: node bench/step.mjs [--model resnet|llama] [--threads N] [--steps N] [--batch N] [--python PATH] - times of a training step
// (see step.ts).

import { join } from 'node:path';
import { runnerImport } from 'vite';

const { module } = await runnerImport(join(import.meta.dirname, 'step.ts'), { logLevel: 'error' });
await module.main(process.argv.slice(2));
