// Libraries that the system's loader knows, from its cache (/etc/ld.so.cache as glibc writes it since 2.2): a magic, u32 number of entries at
// byte 20, entries from byte 48 on of 24 bytes each (i32 kind, u32 place of the name, u32 place of the path), strings with a zero at the
// end. Places count from the magic, before which older systems have a table of another format. Little-endian.

import { readFile } from 'node:fs/promises';

const magic = 'glibc-ld.so.cache1.1';
const headerBytes = 48;
const entryBytes = 24;

/** Kind of a library of this machine: ELF for glibc, with the bits of the architecture. */
const kinds: Partial<Record<NodeJS.Architecture, number>> = { x64: 0x0303, arm64: 0x0a03 };

/** Path by name, the first of equal names; empty where there is no such cache. */
export async function readLoaderCache(
  path: string,
  arch: NodeJS.Architecture = process.arch,
): Promise<Map<string, string>> {
  const file = await readFile(path).catch(() => Buffer.alloc(0));
  const start = file.indexOf(magic);
  return start < 0 ? new Map() : entriesOf(file.subarray(start), kinds[arch]);
}

function entriesOf(cache: Buffer, kind: number | undefined): Map<string, string> {
  const found = new Map<string, string>();
  if (cache.length < headerBytes) return found;
  const room = Math.floor((cache.length - headerBytes) / entryBytes);
  for (let index = 0; index < Math.min(cache.readUInt32LE(20), room); index += 1) {
    const at = headerBytes + index * entryBytes;
    const name = stringAt(cache, cache.readUInt32LE(at + 4));
    if (cache.readInt32LE(at) === kind && !found.has(name))
      found.set(name, stringAt(cache, cache.readUInt32LE(at + 8)));
  }
  return found;
}

function stringAt(cache: Buffer, at: number): string {
  const end = cache.indexOf(0, at);
  return cache.toString('utf8', at, end < 0 ? at : end);
}
