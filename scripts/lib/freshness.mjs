// Whether what was built is that of the sources as they are: fingerprints of the sources' content, remembered in out/setup.json.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './processes.mjs';

const file = join(root, 'out/setup.json');

const builds = {
  app: {
    sources: [
      'src-main',
      'src-renderer',
      'resources',
      'electron.vite.config.ts',
      'package.json',
      'package-lock.json',
      'tsconfig.base.json',
    ],
    skip: /\.test\.ts$/,
    products: [
      'out/main/app.js',
      'out/main/worker.js',
      'out/main/cli.js',
      'out/main/planner.js',
      'out/main/gpu.js',
      'out/preload/preload.cjs',
      'out/renderer/index.html',
    ],
  },
  native: {
    sources: ['native', 'scripts/buildNative.mjs', 'scripts/lib/nativeTypes.mjs'],
    skip: /(^|[/\\])(target|node_modules|tests|examples|benches)$|\.node$|\.new$|binding[/\\](records\.json|index\.d\.ts)$/,
    products: ['native/binding/sdp.node', 'native/binding/records.json', 'native/binding/index.d.ts'],
  },
};

/** @param {keyof typeof builds} name */
export function isFresh(name) {
  return productsOf(name).every((path) => existsSync(path)) && recall(name) === fingerprint(name);
}

/** Full paths of what is built. */
export function productsOf(name) {
  return builds[name].products.map((path) => join(root, path));
}

/** Builds and, where that succeeded, remembers the sources as they were before: a change made meanwhile is not lost. */
export async function buildOnce(name, build) {
  const before = fingerprint(name);
  const result = await build();
  if (result.code === 0) remember(name, before);
  return result;
}

/** Of the sources' names and content. */
export function fingerprint(name) {
  const { sources, skip } = builds[name];
  const hash = createHash('sha256');
  for (const path of sources.flatMap((source) => filesUnder(source, skip))) {
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(root, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

function filesUnder(path, skip) {
  const full = join(root, path);
  if (skip.test(path) || !existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`, skip));
}

export function recall(key) {
  return readMemory()[key];
}

export function remember(key, value) {
  mkdirSync(join(root, 'out'), { recursive: true });
  writeFileSync(file, JSON.stringify({ ...readMemory(), [key]: value }, null, 2));
}

function readMemory() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
