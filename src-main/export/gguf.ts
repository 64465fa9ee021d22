// GGUF files (version 3), which llama.cpp and its kin load: a model's numbers, its tokenizer and its tensors in one file.
//
// Format, little-endian: "GGUF", u32 version, u64 number of tensors, u64 number of entries; each entry a key, u32 type and value; each tensor
// a name, u32 number of axes, u64 extents from the innermost to the outermost, u32 type, u64 offset in the data. The data begins at a multiple
// of 32 bytes, and so does each tensor in it. A string is a u64 number of bytes and UTF-8. (No maintained npm library writes it.)

import { open, type FileHandle } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';
import type { GgufType } from '../contract/exportFormat.ts';
import { readFully, replaceFile } from '../files/files.ts';
import { sizeOf } from '../graph/graph.ts';
import { storages } from './ggufTypes.ts';

export type GgufValue =
  | { uint32: number }
  | { float32: number }
  | { bool: boolean }
  | { string: string }
  | { strings: readonly string[] }
  | { int32s: readonly number[] };

export interface GgufTensor {
  name: string;
  /** Outermost axis first. */
  shape: readonly number[];
  type: GgufType;
}

const version = 3;
const alignment = 32;
const magic = 'GGUF';
/** Values that are encoded or decoded at once: whole blocks of every type. */
const atOnce = 2 ** 20;
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Bytes of a tensor; an Error where its rows are no whole blocks of the type. */
function bytesOf({ name, shape, type }: GgufTensor): number {
  const { block, bytes } = storages[type];
  if (shape.at(-1)! % block !== 0)
    throw new Error(`${name} has rows of ${shape.at(-1)}, and ${type} takes ${block} at a time`);
  return (sizeOf(shape) / block) * bytes;
}

/** Writes a whole file or nothing. `valuesOf` is asked for one tensor after the other. */
export async function writeGguf(
  path: string,
  entries: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
  valuesOf: (tensor: GgufTensor) => Promise<Float32Array>,
): Promise<void> {
  const header = encodeHeader(entries, tensors);
  await replaceFile(path, async (file) => {
    await file.writeFile(padded(header));
    for (const tensor of tensors) {
      const values = await valuesOf(tensor);
      const { encode } = storages[tensor.type];
      for (let from = 0; from < values.length; from += atOnce)
        await file.writeFile(encode(values.subarray(from, from + atOnce)));
      await file.writeFile(new Uint8Array(aligned(bytesOf(tensor)) - bytesOf(tensor)));
    }
  });
}

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % alignment === 0) return bytes;
  const whole = new Uint8Array(aligned(bytes.length));
  whole.set(bytes);
  return whole;
}

function encodeHeader(entries: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensor[]): Buffer {
  const parts = [Buffer.from(magic), u32(version), u64(tensors.length), u64(entries.size)];
  for (const [key, value] of entries) parts.push(string(key), ...encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    const extents = [...tensor.shape].reverse().map(u64);
    parts.push(string(tensor.name), u32(extents.length), ...extents, u32(storages[tensor.type].id), u64(offset));
    offset += aligned(bytesOf(tensor));
  }
  return Buffer.concat(parts);
}

/** Number of the type, then the value. */
function encodeValue(value: GgufValue): Buffer[] {
  if ('uint32' in value) return [u32(types.uint32), u32(value.uint32)];
  if ('float32' in value) return [u32(types.float32), f32(value.float32)];
  if ('bool' in value) return [u32(types.bool), Buffer.of(Number(value.bool))];
  if ('string' in value) return [u32(types.string), string(value.string)];
  const array = (type: number, items: Buffer[]) => [u32(types.array), u32(type), u64(items.length), ...items];
  return 'strings' in value
    ? array(types.string, value.strings.map(string))
    : array(types.int32, value.int32s.map(u32));
}

const types = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

const string = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};

/** What a header tells. */
export interface Gguf {
  entries: Map<string, GgufValue>;
  tensors: (GgufTensor & { position: number })[];
}

const largestHeader = 100e6;

/** Of a file that writeGguf has written; fails with a `checkpoint` error where it is none, or is not whole. */
export async function readGguf(path: string): Promise<Gguf> {
  return await reading(path, async (file) => {
    const { size } = await file.stat();
    const header = Buffer.alloc(Math.min(size, largestHeader));
    await readFully(file, header, 0);
    const gguf = decode(header);
    const end = Math.max(...gguf.tensors.map((tensor) => tensor.position + aligned(bytesOf(tensor))));
    if (end !== size) throw new RangeError(`${size} bytes were found, ${end} expected`);
    return gguf;
  });
}

/** The values of some of its tensors, one after the other. */
export async function readGgufValues(
  path: string,
  tensors: Gguf['tensors'],
  use: (tensor: GgufTensor, values: Float32Array) => Promise<void>,
): Promise<void> {
  await reading(path, async (file) => {
    for (const { position, ...tensor } of tensors) {
      const { block, bytes, decode } = storages[tensor.type];
      const values = new Float32Array(sizeOf(tensor.shape));
      for (let from = 0; from < values.length; from += atOnce) {
        const part = Buffer.alloc((Math.min(atOnce, values.length - from) / block) * bytes);
        await readFully(file, part, position + (from / block) * bytes);
        values.set(decode(part), from);
      }
      await use(tensor, values);
    }
  });
}

async function reading<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await read(file);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError('checkpoint', `${path} is not a whole GGUF file`, { key: path, cause: error });
  } finally {
    await file.close();
  }
}

function decode(bytes: Buffer): Gguf {
  const reader = new Reader(bytes);
  if (reader.take(4).toString() !== magic || reader.u32() !== version) throw new RangeError('no GGUF of this version');
  const [numTensors, numEntries] = [reader.u64(), reader.u64()];
  const entries = new Map(range(numEntries).map(() => [reader.string(), readValue(reader)]));
  const infos = range(numTensors).map(() => readTensor(reader));
  const start = aligned(reader.at);
  return { entries, tensors: infos.map(({ offset, ...tensor }) => ({ ...tensor, position: start + offset })) };
}

function readValue(reader: Reader): GgufValue {
  const type = reader.u32();
  if (type === types.uint32) return { uint32: reader.u32() };
  if (type === types.float32) return { float32: reader.take(4).readFloatLE() };
  if (type === types.bool) return { bool: reader.take(1)[0] !== 0 };
  if (type === types.string) return { string: reader.string() };
  const [item, count] = [reader.u32(), reader.u64()];
  return item === types.string
    ? { strings: range(count).map(() => reader.string()) }
    : { int32s: range(count).map(() => reader.take(4).readInt32LE()) };
}

function readTensor(reader: Reader): GgufTensor & { offset: number } {
  const name = reader.string();
  const shape = range(reader.u32()).map(() => reader.u64());
  const id = reader.u32();
  const found = Object.entries(storages).find(([, storage]) => storage.id === id);
  if (!found) throw new RangeError(`${name} is of type ${id}`);
  return { name, shape: shape.reverse(), type: found[0] as GgufType, offset: reader.u64() };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** Takes one thing after the other; a RangeError behind the end. */
class Reader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  take(length: number): Buffer {
    if (length > this.bytes.length - this.at) throw new RangeError(`${length} bytes at ${this.at} are not there`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  u64(): number {
    return Number(this.take(8).readBigUInt64LE());
  }

  string(): string {
    return this.take(this.u64()).toString();
  }
}
