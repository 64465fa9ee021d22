import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let folder;
let cache;
const target = () => join(folder, 'target');

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sdp-cache-'));
  vi.stubEnv('SDP_BUILD_CACHE', join(folder, 'cache'));
  vi.stubEnv('CARGO_TARGET_DIR', target());
  vi.resetModules();
  cache = await import('./cache.mjs');
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path, text) {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
}

test('a checkout gets the packages that another has compiled, with their times, and none of the crates of that checkout', () => {
  const [theirs, ours] = ['0123456789abcdef', 'fedcba9876543210'];
  const files = {
    [`.fingerprint/zip-${theirs}/lib-zip`]: 'z',
    [`deps/libzip-${theirs}.rlib`]: 'zip',
    [`build/zip-${theirs}/output`]: 'out',
    [`.fingerprint/sdp-data-${ours}/lib-sdp_data`]: 's',
    [`deps/libsdp_data-${ours}.rlib`]: 'data',
    [`deps/layouts-${ours}`]: 'a test program',
    'libsdp.so': 'addon',
  };
  for (const [name, text] of Object.entries(files)) write(join(target(), 'release', name), text);
  const compiled = new Date('2026-11-01');
  utimesSync(join(target(), `release/deps/libzip-${theirs}.rlib`), compiled, compiled);
  cache.keepPackages();
  expect(cache.restorePackages()).toBe(false);
  rmSync(target(), { recursive: true });
  expect(cache.restorePackages()).toBe(true);
  const there = readdirSync(target(), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(there.map(({ name }) => name).sort()).toEqual(['lib-zip', `libzip-${theirs}.rlib`, 'output']);
  expect(statSync(join(target(), `release/deps/libzip-${theirs}.rlib`)).mtime).toEqual(compiled);
});

test('addons and what was made of them are found by the fingerprint of their sources; the newest four stay', () => {
  const products = ['sdp.node', 'records.json'].map((name) => join(folder, name));
  const texts = () => products.map((path) => readFileSync(path, 'utf8'));
  for (const [age, key] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    for (const path of products) write(path, key);
    cache.keepAddon(key, products);
    const then = new Date(2026, 10, age + 1);
    if (existsSync(join(folder, 'cache', `addon-${key}`)))
      utimesSync(join(folder, 'cache', `addon-${key}`), then, then);
  }
  expect(cache.restoreAddon('a', products)).toBe(false);
  expect(texts()).toEqual(['e', 'e']);
  expect(cache.restoreAddon('b', products)).toBe(true);
  expect(texts()).toEqual(['b', 'b']);
});

test('an addon of which a part is missing is built', () => {
  const products = ['sdp.node', 'records.json'].map((name) => join(folder, name));
  for (const path of products) write(path, 'old');
  cache.keepAddon('a', products.slice(0, 1));
  for (const path of products) write(path, 'here');
  expect(cache.restoreAddon('a', products)).toBe(false);
  expect(products.map((path) => readFileSync(path, 'utf8'))).toEqual(['here', 'here']);
  expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('without a folder for it, everything goes on without', async () => {
  writeFileSync(join(folder, 'cache'), 'a file is in its place');
  const addon = join(folder, 'sdp.node');
  write(addon, 'built');
  cache.keepAddon('a', [addon]);
  expect(cache.restoreAddon('a', [addon])).toBe(false);
  expect(cache.restorePackages()).toBe(false);
  expect(readFileSync(addon, 'utf8')).toBe('built');
});
