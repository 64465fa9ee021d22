// Usage: node scripts/check.mjs [NAME...] - layers, reference pages, format, types, lint and Rust lints, cheapest first; all of them, or those named.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nodeScript, root, run, tail } from './lib/processes.mjs';

const cargo = (...args) => ['cargo', args];
const script = (path, ...args) => [path, args];
const types = (name, program) =>
  script(
    program,
    '--noEmit',
    '-p',
    `tsconfig.${name}json`,
    '--incremental',
    '--tsBuildInfoFile',
    `out/check/${name}tsbuildinfo`,
  );
const tsc = 'node_modules/typescript/bin/tsc';

/** Name -> program and arguments. */
export const checks = {
  layers: script('scripts/layers.mjs'),
  reference: script('scripts/reference.mjs', '--check'),
  'rust format': cargo('fmt', '--manifest-path', 'native/Cargo.toml', '--all', '--check'),
  format: script('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  'types of the pure layers': types('pure.', tsc),
  'types under Node': types('', tsc),
  'types under Electron': types('app.', tsc),
  'types of the end-to-end tests': types('e2e.', tsc),
  'types of the page': types('web.', 'node_modules/vue-tsc/bin/vue-tsc.js'),
  lint: script(
    'node_modules/eslint/bin/eslint.js',
    '--max-warnings',
    '0',
    '--cache',
    '--cache-location',
    'out/check/',
    '.',
  ),
  'rust lint': cargo(
    'clippy',
    '--manifest-path',
    'native/Cargo.toml',
    '--workspace',
    '--all-targets',
    '--release',
    '--locked',
    '--quiet',
    '--',
    '-D',
    'warnings',
  ),
};

/** Runs the checks and prints a line for each. Returns how many passed and failed. */
export async function runChecks(names = Object.keys(checks)) {
  mkdirSync(join(root, 'out/check'), { recursive: true });
  const result = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const start = Date.now();
    const [program, args] = checks[name];
    const { code, output } = await (program === 'cargo' ? run : nodeScript)(program, args, { stdio: 'capture' });
    result[code === 0 ? 'passed' : 'failed']++;
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    if (code !== 0) console.log(tail(output, 60));
  }
  return result;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !Object.hasOwn(checks, name));
  if (unknown) console.error(`There is no check "${unknown}"; there are: ${Object.keys(checks).join(', ')}`);
  const { failed } = unknown ? { failed: 1 } : await runChecks(names.length > 0 ? names : undefined);
  process.exitCode = failed > 0 ? 1 : 0;
}
