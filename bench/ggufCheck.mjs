// Usage: node bench/ggufCheck.mjs FOLDER [--cli PATH] - whether llama.cpp continues text as the engine does (see ggufCheck.ts).

import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runnerImport } from 'vite';

const [folder, ...args] = process.argv.slice(2);
const library = createRequire(join(resolve(folder ?? '.'), 'package.json')).resolve('node-llama-cpp');
const { getLlama } = await import(pathToFileURL(library).href);
const { module } = await runnerImport(join(import.meta.dirname, 'ggufCheck.ts'), { logLevel: 'error' });
await module.main(getLlama, args);
