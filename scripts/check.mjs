// Usage: node scripts/check.mjs [NAME...] - layers, reference pages, format, types, lint, Rust lints and audits, cheapest first; all of them, or
// those named.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { audits } from './lib/audits.mjs';
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

/** Name -> program and arguments, or what runs it. */
export const checks = {
  layers: script('scripts/layers.mjs'),
  reference: script('scripts/reference.mjs', '--check'),
  'rust format': cargo('fmt', '--manifest-path', 'native/Cargo.toml', '--all', '--check'),
  format: script('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  'types of the Rust addon': script('scripts/buildNative.mjs', '--check'),
  'types of the pure layers': types('pure.', tsc),
  'types under Node': types('', tsc),
  'types under Electron': types('app.', tsc),
  'types of the end-to-end tests': types('e2e.', tsc),
  'types of the page': types('web.', 'node_modules/vue-tsc/bin/vue-tsc.js'),
  // Without eslint's cache, which keeps what it found by types that another file has changed since.
  lint: script('node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.'),
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
  ...audits,
};

/** Runs the checks and prints a line for each. Returns how many passed, failed and were skipped; `note` says why. */
export async function runChecks(names = Object.keys(checks)) {
  mkdirSync(join(root, 'out/check'), { recursive: true });
  const result = { passed: 0, failed: 0, skipped: 0 };
  const notes = [];
  for (const name of names) {
    const start = Date.now();
    const { state, reason, output } = await runCheck(checks[name]);
    result[{ ok: 'passed', FAILED: 'failed', skipped: 'skipped' }[state]]++;
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`${state.padEnd(7)} ${name} (${seconds} s)${reason ? `: ${reason}` : ''}`);
    if (state === 'skipped') notes.push(`${name} was skipped: ${reason}`);
    if (output) console.log(tail(output, 60));
  }
  return { ...result, note: notes.join('; ') };
}

async function runCheck(check) {
  if (typeof check === 'function') return await check();
  const [program, args] = check;
  const { code, output } = await (program === 'cargo' ? run : nodeScript)(program, args, { stdio: 'capture' });
  return code === 0 ? { state: 'ok' } : { state: 'FAILED', output };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2);
  const unknown = names.find((name) => !Object.hasOwn(checks, name));
  if (unknown) console.error(`There is no check "${unknown}"; there are: ${Object.keys(checks).join(', ')}`);
  const { failed } = unknown ? { failed: 1 } : await runChecks(names.length > 0 ? names : undefined);
  process.exitCode = failed > 0 ? 1 : 0;
}
