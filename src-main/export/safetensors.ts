// Safetensors files: header of named tensors, then their bytes. Reading validates everything that the header claims.
//
// Format: u64 little-endian header size, JSON header {name: {dtype, shape, data_offsets}, __metadata__: {string: string}}, data.
// Offsets count from the end of the header; the tensors cover the data without gap or overlap. The header is padded with spaces to
// a multiple of 8 and wider types come first, so that every tensor is aligned. (No maintained npm library reads and writes it.)

import { open, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import { faultOf } from '../contract/fault.ts';
import { readFully, replaceFile, systemCode } from '../files/files.ts';

/** `data` begins a buffer of its own, so a typed array of any element type can view `data.buffer`. Little-endian, row-major. */
export interface SafeTensor {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

export interface Safetensors {
  metadata: Record<string, string>;
  tensors: Map<string, SafeTensor>;
}

const dtypeBytes: Record<string, number> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

const size = z.int().min(0);
const entry = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
type Entry = z.infer<typeof entry>;
const metadataEntry = z.record(z.string(), z.string());
const largestHeader = 100e6;

/** A tensor where it is in a file. */
export interface TensorPlace {
  dtype: string;
  shape: number[];
  path: string;
  /** Of its first byte. */
  position: number;
  bytes: number;
}

/** What a file says of itself, and where its tensors are. Fails with a `checkpoint` error that says what is wrong with it. */
export async function findTensors(
  path: string,
): Promise<{ metadata: Record<string, string>; places: Map<string, TensorPlace> }> {
  const file = await openForReading(path);
  try {
    const { size: fileBytes } = await file.stat();
    const { metadata, entries, dataStart } = await readHeader(file, path, fileBytes);
    checkCover(path, entries, fileBytes - dataStart);
    const place = ({ dtype, shape, data_offsets: [from, to] }: Entry) => ({
      dtype,
      shape,
      path,
      position: dataStart + from,
      bytes: to - from,
    });
    return { metadata, places: new Map([...entries].map(([name, found]) => [name, place(found)])) };
  } finally {
    await file.close();
  }
}

export async function readTensor({ dtype, shape, path, position, bytes }: TensorPlace): Promise<SafeTensor> {
  const file = await openForReading(path);
  try {
    const data = new Uint8Array(bytes);
    await readFully(file, data, position);
    return { dtype, shape, data };
  } finally {
    await file.close();
  }
}

/** Reads a whole file. Fails as findTensors does. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const { metadata, places } = await findTensors(path);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, place] of places) tensors.set(name, await readTensor(place));
  return { metadata, tensors };
}

/** Writes a whole file or nothing; a full disk is a `storage` error. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const ordered = [...tensors].sort(([, a], [, b]) => bytesOf(b.dtype) - bytesOf(a.dtype));
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    if (data.byteLength !== product(shape) * bytesOf(dtype))
      throw new Error(`${name} ${dtype} [${shape.join()}] has ${data.byteLength} bytes`);
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  await replaceFile(path, async (file) => {
    await file.writeFile(encodeHeader(header));
    for (const [, { data }] of ordered) await file.writeFile(data);
  });
}

/** The scalars of a float32 or float64 tensor; a view for float32. */
export function asFloat32(tensor: SafeTensor): Float32Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  const bytes = byteOffset % 8 === 0 ? tensor.data : new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength));
  if (tensor.dtype === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, byteLength / 4);
  if (tensor.dtype === 'F64')
    return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, byteLength / 8));
  throw new UserError('checkpoint', `a tensor of type ${tensor.dtype} was found where F32 was expected`);
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, extent) => total * extent, 1);
}

function bytesOf(dtype: string): number {
  const bytes = dtypeBytes[dtype];
  if (bytes === undefined) throw new Error(`${dtype} is not a safetensors type`);
  return bytes;
}

function encodeHeader(header: Record<string, unknown>): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(8 + padded, ' ');
  bytes.writeBigUInt64LE(BigInt(padded));
  json.copy(bytes, 8);
  return bytes;
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const problem = systemCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${systemCode(error)})`;
    throw new UserError('checkpoint', `${path} ${problem}`, { key: path, cause: error });
  }
}

interface Header {
  metadata: Record<string, string>;
  entries: Map<string, Entry>;
  dataStart: number;
}

async function readHeader(file: FileHandle, path: string, fileBytes: number): Promise<Header> {
  if (fileBytes < 8) throw damaged(path, `it has ${fileBytes} bytes, and a header needs at least 8`);
  const prefix = Buffer.alloc(8);
  await readFully(file, prefix, 0);
  const headerBytes = Number(prefix.readBigUInt64LE());
  if (headerBytes > largestHeader) throw damaged(path, `its header would have ${headerBytes} bytes`);
  if (headerBytes > fileBytes - 8)
    throw damaged(path, `its header should have ${headerBytes} bytes, but ${fileBytes - 8} follow`);
  const text = Buffer.alloc(headerBytes);
  await readFully(file, text, 8);
  return { ...parseHeader(path, text), dataStart: 8 + headerBytes };
}

function parseHeader(path: string, text: Buffer): Omit<Header, 'dataStart'> {
  let json: unknown;
  try {
    json = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw damaged(path, 'its header is not JSON', error);
  }
  const fields = z.record(z.string(), z.unknown()).safeParse(json);
  if (!fields.success) throw damaged(path, 'its header is not a JSON object');
  const { __metadata__ = {}, ...rest } = fields.data;
  const metadata = metadataEntry.safeParse(__metadata__);
  if (!metadata.success) throw damaged(path, 'its __metadata__ is not a record of strings');
  const entries = new Map(Object.entries(rest).map(([name, value]) => [name, parseEntry(path, name, value)]));
  return { metadata: metadata.data, entries };
}

function parseEntry(path: string, name: string, value: unknown): Entry {
  const parsed = entry.safeParse(value, { reportInput: true });
  if (!parsed.success) throw damaged(path, `tensor ${name}: ${faultOf(parsed.error)}`);
  const { dtype, shape, data_offsets } = parsed.data;
  const width = dtypeBytes[dtype];
  if (width === undefined) throw damaged(path, `tensor ${name} has the unknown type ${dtype}`);
  const needed = product(shape) * width;
  const spanned = data_offsets[1] - data_offsets[0];
  if (needed !== spanned)
    throw damaged(
      path,
      `tensor ${name} of type ${dtype} and shape [${shape.join()}] needs ${needed} bytes, got ${spanned}`,
    );
  return parsed.data;
}

/** Tensors, in order of their offsets, follow each other from 0 to the end of the data. */
function checkCover(path: string, entries: Map<string, Entry>, dataBytes: number): void {
  const ordered = [...entries].sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || spanEnd(a) - spanEnd(b));
  let end = 0;
  for (const [name, { data_offsets }] of ordered) {
    if (data_offsets[0] !== end)
      throw damaged(path, `tensor ${name} starts at byte ${data_offsets[0]}, expected ${end}`);
    end = data_offsets[1];
  }
  if (end > dataBytes) throw damaged(path, `it is truncated: its tensors need ${end} bytes, got ${dataBytes}`);
  if (end < dataBytes) throw damaged(path, `${dataBytes - end} bytes follow its last tensor`);
}

function spanEnd(item: Entry): number {
  return item.data_offsets[1];
}

function damaged(path: string, problem: string, cause?: unknown): UserError {
  return new UserError('checkpoint', `${path} is not a valid safetensors file: ${problem}`, { key: path, cause });
}
