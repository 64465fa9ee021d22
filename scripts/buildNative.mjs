// Builds the Rust addon into native/binding/sdp.node, and its types beside it, where its sources are newer than these. Prints one line.
// Usage: node scripts/buildNative.mjs [--force | --check]; --check builds nothing and fails where the types are not those of the sources.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint } from './lib/freshness.mjs';
import { areTypesOf, writeNativeTypes } from './lib/nativeTypes.mjs';

const root = join(import.meta.dirname, '..');
const native = join(root, 'native');
const result = join(native, 'binding', 'sdp.node');
const products = [result, ...['records.json', 'index.d.ts'].map((name) => join(native, 'binding', name))];
const library = { win32: 'sdp.dll', darwin: 'libsdp.dylib' }[process.platform] ?? 'libsdp.so';

/** Time of the newest file that the addon is built from. */
function newestSource(folder) {
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    ({ name }) =>
      !['target', 'tests', 'examples', 'benches'].includes(name) &&
      !/\.(node|d\.ts|md|new)$|^records\.json$/.test(name),
  );
  return Math.max(
    0,
    ...names.map((entry) =>
      entry.isDirectory() ? newestSource(join(folder, entry.name)) : statSync(join(folder, entry.name)).mtimeMs,
    ),
  );
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

async function build() {
  const sources = fingerprint('native');
  const version = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (version.error)
    fail('cargo was not found: install Rust 1.92 or newer from https://rustup.rs, then run this command again.');
  const options = ['build', '--release', '--locked', '--quiet', '--package', 'sdp-binding'];
  const messages = ['--message-format', 'json-render-diagnostics'];
  const built = spawnSync('cargo', [...options, ...messages], {
    cwd: native,
    stdio: ['inherit', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (built.status !== 0) fail(`The Rust addon could not be built with ${version.stdout.trim()}; the reason is above.`);
  // A new file under the old name: a process that has the addon loaded keeps the old one.
  const target = process.env.CARGO_TARGET_DIR ?? join(native, 'target');
  copyFileSync(join(target, 'release', library), `${result}.new`);
  renameSync(`${result}.new`, result);
  await writeNativeTypes(result, join(outFolder(built.stdout), 'sdp-binding'), sources);
}

/** Where the build script of the binding may write. */
function outFolder(messages) {
  const lines = messages.split('\n').filter((line) => line.includes('"build-script-executed"'));
  const found = lines.map((line) => JSON.parse(line)).find(({ package_id }) => package_id.includes('sdp-binding'));
  return found.out_dir;
}

if (process.argv.includes('--check')) {
  if (!areTypesOf(fingerprint('native'), result))
    fail('The types of the Rust addon are not those of its sources; run "npm run setup".');
  process.exit(0);
}
const isThere = products.every((path) => existsSync(path));
if (!process.argv.includes('--force') && isThere && statSync(result).mtimeMs >= newestSource(native)) {
  console.log('Rust addon: up to date.');
} else {
  const start = Date.now();
  await build();
  console.log(`Rust addon: built in ${Math.round((Date.now() - start) / 1000)} s.`);
}
