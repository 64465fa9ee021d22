// The smallest shared libraries (ELF, 64 bits, little-endian) that say something about themselves: links, strings and code for NVIDIA's cards.
// They can be read and not loaded.

export interface Elf {
  soname?: string;
  needed?: readonly string[];
  runpath?: string;
  /** Strings of the read-only data. */
  strings?: readonly string[];
  /** Compute capabilities that there is code for, as `7.5` and `9.0a`. */
  architectures?: readonly string[];
}

const headerBytes = 64;
const types = { progbits: 1, strtab: 3, dynamic: 6 };
const tags = { needed: 1, soname: 14, runpath: 29 };

export function buildElf({ soname, needed = [], runpath, strings = [], architectures = [] }: Elf): Buffer {
  const names = new Strings();
  const links: [number, number][] = needed.map((name) => [tags.needed, names.add(name)]);
  if (soname !== undefined) links.push([tags.soname, names.add(soname)]);
  if (runpath !== undefined) links.push([tags.runpath, names.add(runpath)]);
  return assemble([
    { name: '.dynstr', type: types.strtab, link: 0, bytes: names.bytes() },
    { name: '.dynamic', type: types.dynamic, link: 1, bytes: Buffer.concat([...links, [0, 0] as const].map(pair)) },
    { name: '.rodata', type: types.progbits, link: 0, bytes: Buffer.from(`\0${strings.join('\0')}\0`) },
    { name: '.nv_fatbin', type: types.progbits, link: 0, bytes: fatBinary(architectures) },
  ]);
}

interface Section {
  name: string;
  type: number;
  link: number;
  bytes: Buffer;
}

/** Header, contents, section headers; section 0 is none. */
function assemble(sections: readonly Section[]): Buffer {
  const names = new Strings();
  const named = sections.map((section) => ({ ...section, nameAt: names.add(section.name) }));
  const own = { name: '.shstrtab', type: types.strtab, link: 0, nameAt: names.add('.shstrtab'), bytes: names.bytes() };
  const all = [...named, own];
  const headers: Buffer[] = [Buffer.alloc(64)];
  const contents: Buffer[] = [];
  let at = headerBytes;
  for (const { nameAt, type, link, bytes } of all) {
    const padded = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)]);
    headers.push(sectionHeader(nameAt, type, at, bytes.length, link));
    contents.push(padded);
    at += padded.length;
  }
  const header = Buffer.alloc(headerBytes);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(3, 16);
  header.writeUInt16LE(0x3e, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(at), 40);
  header.writeUInt16LE(headerBytes, 52);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(headers.length, 60);
  header.writeUInt16LE(all.length, 62);
  return Buffer.concat([header, ...contents, ...headers]);
}

function sectionHeader(nameAt: number, type: number, offset: number, size: number, link: number): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(nameAt, 0);
  header.writeUInt32LE(type, 4);
  header.writeUInt32LE(2, 8);
  header.writeBigUInt64LE(BigInt(offset), 24);
  header.writeBigUInt64LE(BigInt(size), 32);
  header.writeUInt32LE(link, 40);
  return header;
}

/** A container with one piece of code for each architecture; see native/core/src/nvidia/library.rs. */
function fatBinary(architectures: readonly string[]): Buffer {
  const entries = architectures.map((architecture) => {
    const entry = Buffer.alloc(64 + 8);
    entry.writeUInt16LE(2, 0);
    entry.writeUInt32LE(64, 4);
    entry.writeBigUInt64LE(8n, 8);
    entry.writeUInt32LE(Math.round(Number.parseFloat(architecture) * 10), 28);
    entry.writeUInt32LE(architecture.endsWith('a') ? 1 << 20 : 0, 40);
    return entry;
  });
  const header = Buffer.alloc(16);
  header.writeUInt32LE(0xba55ed50, 0);
  header.writeUInt16LE(1, 4);
  header.writeUInt16LE(16, 6);
  header.writeBigUInt64LE(BigInt(entries.length * 72), 8);
  return Buffer.concat([header, ...entries]);
}

function pair([tag, value]: readonly [number, number]): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(tag), 0);
  bytes.writeBigUInt64LE(BigInt(value), 8);
  return bytes;
}

class Strings {
  private text = '\0';

  /** Where it begins. */
  add(name: string): number {
    const at = this.text.length;
    this.text += `${name}\0`;
    return at;
  }

  bytes(): Buffer {
    return Buffer.from(this.text);
  }
}
