// What a Linux program or shared library asks of the system: the libraries it names and the versions of their symbols. Reads 64-bit
// little-endian ELF files by their section headers.

import { readFileSync } from 'node:fs';

const sectionTypes = { dynamic: 6, neededVersions: 0x6ffffffe };
const tagNeeded = 1n;

/**
 * @param {string} path
 * @returns {{ needed: string[], versions: string[] }} file names of libraries; versions such as GLIBC_2.34
 */
export function readElf(path) {
  const file = readFileSync(path);
  if (file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01')
    throw new Error(`${path} is no 64-bit little-endian ELF file`);
  const sections = readSections(file);
  const needed = [];
  const versions = [];
  for (const section of sections) {
    const text = (at) => textAt(file, sections[section.link].offset + at);
    if (section.type === sectionTypes.dynamic) needed.push(...neededNames(file, section, text));
    if (section.type === sectionTypes.neededVersions) versions.push(...versionNames(file, section, text));
  }
  return { needed, versions };
}

/** The newest of the versions `PREFIX_x.y[.z]`, without the prefix. */
export function newestVersion(versions, prefix) {
  const numbers = versions.flatMap((name) => new RegExp(`^${prefix}_([\\d.]+)$`).exec(name)?.[1] ?? []);
  return numbers.sort(new Intl.Collator('en', { numeric: true }).compare).at(-1);
}

function readSections(file) {
  const start = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      size: Number(file.readBigUInt64LE(at + 0x20)),
      link: file.readUInt32LE(at + 0x28),
      entries: file.readUInt32LE(at + 0x2c),
    };
  });
}

function neededNames(file, { offset, size }, text) {
  const names = [];
  for (let at = offset; at < offset + size; at += 16)
    if (file.readBigInt64LE(at) === tagNeeded) names.push(text(Number(file.readBigUInt64LE(at + 8))));
  return names;
}

/** One record per library, each with a chain of the versions wanted of it; chains are linked by distances in bytes. */
function versionNames(file, { offset, entries }, text) {
  const names = [];
  for (let library = offset, left = entries; left > 0; left--) {
    let version = library + file.readUInt32LE(library + 8);
    for (let count = file.readUInt16LE(library + 2); count > 0; count--) {
      names.push(text(file.readUInt32LE(version + 8)));
      version += file.readUInt32LE(version + 12);
    }
    library += file.readUInt32LE(library + 12);
  }
  return names;
}

function textAt(file, at) {
  return file.toString('latin1', at, file.indexOf(0, at));
}
