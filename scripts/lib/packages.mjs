// What package-lock.json asks for: whether node_modules holds it (compared with the list that npm keeps of what it installed), and which of it
// the app needs to run.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './processes.mjs';

export function packagesInstalled() {
  const wanted = readPackages('package-lock.json');
  const there = readPackages('node_modules/.package-lock.json');
  if (!wanted || !there) return false;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (path === '' || link) return true;
    return there[path] ? there[path].version === version && existsSync(join(root, path)) : optional === true;
  });
}

/** Folders (node_modules/NAME) of the dependencies and theirs, without those of development alone. */
export function shippedPackages() {
  const packages = Object.entries(readPackages('package-lock.json'));
  return packages
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && existsSync(join(root, path)))
    .map(([path]) => path);
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}
