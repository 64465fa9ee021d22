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

test('addons are found by the fingerprint of their sources; the newest four stay', () => {
  const addon = join(folder, 'sdp.node');
  for (const [age, key] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    write(addon, key);
    cache.keepAddon(key, addon);
    const then = new Date(2026, 10, age + 1);
    if (existsSync(join(folder, 'cache', `addon-${key}`)))
      utimesSync(join(folder, 'cache', `addon-${key}`), then, then);
  }
  expect(cache.restoreAddon('a', addon)).toBe(false);
  expect(readFileSync(addon, 'utf8')).toBe('e');
  expect(cache.restoreAddon('b', addon)).toBe(true);
  expect(readFileSync(addon, 'utf8')).toBe('b');
});

test('without a folder for it, everything goes on without', async () => {
  writeFileSync(join(folder, 'cache'), 'a file is in its place');
  const addon = join(folder, 'sdp.node');
  write(addon, 'built');
  cache.keepAddon('a', addon);
  expect(cache.restoreAddon('a', addon)).toBe(false);
  expect(cache.restorePackages()).toBe(false);
  expect(readFileSync(addon, 'utf8')).toBe('built');
});
