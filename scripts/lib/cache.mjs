// What another checkout of this machine has built: compiled Rust packages, by Cargo.lock and compiler, and addons, by the fingerprint of their
// sources. In SDP_BUILD_CACHE, or the user's folder for caches; the newest few of each stay. Nothing fails for want of it.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { root } from './processes.mjs';

const kept = { rust: 2, addon: 4 };
const usual = { win32: process.env.LOCALAPPDATA, darwin: join(homedir(), 'Library/Caches') }[process.platform];
const folder =
  process.env.SDP_BUILD_CACHE ??
  join(usual ?? process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sdp-lab-build');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'native/target');

/** Names of what cargo compiles of our own crates; paths of the checkout are in it. */
const own = /^(lib)?sdp[-_]/;

/** Puts the addon of these sources, and what was made of it, at `paths`; whether all of it was there. */
export function restoreAddon(fingerprint, paths) {
  return restore('addon', fingerprint, (place) => paths.map((path) => [join(place, basename(path)), path]));
}

export function keepAddon(fingerprint, paths) {
  keep('addon', fingerprint, (place) => paths.forEach((path) => copy(path, join(place, basename(path)))));
}

/** Gives a checkout that has compiled nothing yet the packages that others have compiled. */
export function restorePackages() {
  return (
    !existsSync(join(target, 'release')) && restore('rust', rustKey(), (place) => [[place, join(target, 'release')]])
  );
}

/** Keeps the compiled packages that are not our own; to be called when everything was compiled. */
export function keepPackages() {
  keep('rust', rustKey(), (place) => {
    const built = join(target, 'release');
    const units = readdirSync(join(built, '.fingerprint')).filter((name) => !own.test(name));
    const hashes = new Set(units.map((name) => name.slice(name.lastIndexOf('-') + 1)));
    for (const part of ['.fingerprint', 'build', 'deps'])
      for (const name of readdirSync(join(built, part)))
        if (hashes.has(/-([0-9a-f]{16})(\.|$)/.exec(name)?.[1])) copy(join(built, part, name), join(place, part, name));
  });
}

function rustKey() {
  const hash = createHash('sha256');
  for (const path of ['native/Cargo.toml', 'native/Cargo.lock']) hash.update(readFileSync(join(root, path)));
  return hash.update(compiler()).digest('hex');
}

/** Version and platform of the compiler; empty where there is none. */
export function compiler() {
  try {
    return execFileSync('rustc', ['-vV'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

/** `copies` gives what goes where; all of it or nothing. */
function restore(kind, key, copies) {
  const place = join(folder, `${kind}-${key}`);
  if (!existsSync(place)) return false;
  const all = copies(place);
  try {
    // A process that has the addon loaded keeps the old file.
    for (const [from, to] of all) copy(from, `${to}.new`);
    for (const [, to] of all) renameSync(`${to}.new`, to);
    utimesSync(place, new Date(), new Date());
    return true;
  } catch {
    for (const [, to] of all) rmSync(`${to}.new`, { recursive: true, force: true });
    return false;
  }
}

function keep(kind, key, write) {
  const place = join(folder, `${kind}-${key}`);
  const partial = `${place}.${process.pid}`;
  if (existsSync(place)) return;
  try {
    write(partial);
    renameSync(partial, place);
    const all = readdirSync(folder).filter((name) => name.startsWith(`${kind}-`));
    const age = (name) => statSync(join(folder, name)).mtimeMs;
    const old = all.sort((a, b) => age(b) - age(a)).slice(kept[kind]);
    for (const name of old) rmSync(join(folder, name), { recursive: true, force: true });
  } catch {
    if (existsSync(partial)) rmSync(partial, { recursive: true, force: true });
  }
}

/** With times, by which cargo sees what is current. */
function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: true, mode: constants.COPYFILE_FICLONE });
}
