// Builds the Rust addon into native/binding/sdp.node, where its sources are newer than that file. Prints one line.
// Usage: node scripts/buildNative.mjs [--force]

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const native = join(root, 'native');
const result = join(native, 'binding', 'sdp.node');
const library = { win32: 'sdp.dll', darwin: 'libsdp.dylib' }[process.platform] ?? 'libsdp.so';

/** Time of the newest file that the addon is built from. */
function newestSource(folder) {
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    ({ name }) => !['target', 'tests', 'examples', 'benches'].includes(name) && !/\.(node|d\.ts|md)$/.test(name),
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

function build() {
  const version = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (version.error)
    fail('cargo was not found: install Rust 1.92 or newer from https://rustup.rs, then run this command again.');
  const options = ['build', '--release', '--locked', '--quiet', '--package', 'sdp-binding'];
  const built = spawnSync('cargo', options, { cwd: native, stdio: 'inherit' });
  if (built.status !== 0) fail(`The Rust addon could not be built with ${version.stdout.trim()}; the reason is above.`);
  // A new file under the old name: a process that has the addon loaded keeps the old one.
  const target = process.env.CARGO_TARGET_DIR ?? join(native, 'target');
  copyFileSync(join(target, 'release', library), `${result}.new`);
  renameSync(`${result}.new`, result);
}

if (!process.argv.includes('--force') && existsSync(result) && statSync(result).mtimeMs >= newestSource(native)) {
  console.log('Rust addon: up to date.');
} else {
  const start = Date.now();
  build();
  console.log(`Rust addon: built in ${Math.round((Date.now() - start) / 1000)} s.`);
}
