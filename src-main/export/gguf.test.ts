import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { GgufType } from '../contract/exportFormat.ts';
import { fromFloat16, fromFloat16s, toFloat16, toFloat16s } from '../graph/float16.ts';
import { readGguf, readGgufValues, writeGguf, type GgufTensor, type GgufValue } from './gguf.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-gguf-'));
});
afterEach(() => rm(folder, { recursive: true }));

const entries = new Map<string, GgufValue>([
  ['general.architecture', { string: 'llama' }],
  ['llama.block_count', { uint32: 2 }],
  ['llama.rope.freq_base', { float32: 10000 }],
  ['tokenizer.ggml.add_bos_token', { bool: false }],
  ['tokenizer.ggml.tokens', { strings: ['a', 'ä', ''] }],
  ['tokenizer.ggml.token_type', { int32s: [1, 3, 5] }],
]);
const values = Float32Array.from({ length: 128 }, (_, at) => Math.sin(at) * 3);
const tensor = (type: GgufType): GgufTensor => ({ name: `as.${type}`, shape: [2, 64], type });
const tensors: GgufTensor[] = [{ name: 'norm', shape: [3], type: 'float32' }, tensor('float16'), tensor('q8_0')];
const write = (path: string) =>
  writeGguf(path, entries, tensors, ({ shape }) =>
    Promise.resolve(shape.length === 1 ? Float32Array.of(1, -2, 0.1) : values),
  );

it('begins as the format says, with extents from the innermost on and aligned tensors', async () => {
  const path = join(folder, 'model.gguf');
  await write(path);
  const bytes = await readFile(path);
  expect(bytes.toString('latin1', 0, 4)).toBe('GGUF');
  expect([bytes.readUInt32LE(4), Number(bytes.readBigUInt64LE(8)), Number(bytes.readBigUInt64LE(16))]).toEqual([
    3, 3, 6,
  ]);
  const at = bytes.indexOf('as.q8_0') + 'as.q8_0'.length;
  const [axes, inner, outer, type, offset] = [
    bytes.readUInt32LE(at),
    bytes.readBigUInt64LE(at + 4),
    bytes.readBigUInt64LE(at + 12),
    bytes.readUInt32LE(at + 20),
    bytes.readBigUInt64LE(at + 24),
  ];
  expect([axes, inner, outer, type, offset]).toEqual([2, 64n, 2n, 8, 32n + 256n]);
  expect(bytes.length % 32).toBe(0);
});

it('reads back its entries, and values as exactly as their type has them', async () => {
  const path = join(folder, 'model.gguf');
  await write(path);
  const gguf = await readGguf(path);
  expect(gguf.entries).toEqual(entries);
  const found = new Map<string, Float32Array>();
  await readGgufValues(path, gguf.tensors, async ({ name }, read) => void found.set(name, read));
  expect(found.get('norm')).toEqual(Float32Array.of(1, -2, 0.1));
  found.get('as.float16')!.forEach((value, at) => expect(value).toBe(fromFloat16(toFloat16(values[at]!))));
  const largest = Math.max(...values.map(Math.abs));
  // Half a step of int8, and what rounding the scale to float16 takes of 127 of them.
  found
    .get('as.q8_0')!
    .forEach((value, at) =>
      expect(Math.abs(value - values[at]!)).toBeLessThanOrEqual((largest / 127) * (0.5 + 127 * 2 ** -11)),
    );
});

it('q8_0 has the largest of 32 values as 127, rounds halves away from zero, and keeps a row of zeros', async () => {
  const path = join(folder, 'model.gguf');
  const some = [127, 0.5, -0.5, 1.5, -1.5, 2.4, -2.6, 0.4999999];
  const own = Float32Array.from({ length: 64 }, (_, at) => some[at] ?? 0);
  await writeGguf(path, new Map(), [{ name: 'odd', shape: [1, 64], type: 'q8_0' }], () => Promise.resolve(own));
  const blocks = (await readFile(path)).subarray(-96, -96 + 68);
  const one = [0x00, 0x3c, ...[127, 1, -1, 2, -2, 2, -3, 0].map((value) => value & 255)];
  expect([...blocks]).toEqual([...one, ...Array<number>(68 - one.length).fill(0)]);
});

it.each([
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65520, 0x7c00],
  [1e9, 0x7c00],
  [-Infinity, 0xfc00],
  [NaN, 0x7e00],
  [2 ** -14, 0x0400],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [2 ** -25 * 1.5, 0x0001],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
])('%d is %i in float16', (value, half) => {
  expect(toFloat16(value)).toBe(half);
});

it('every float16 number is itself', () => {
  const numbers = Array.from({ length: 0x10000 }, (_, half) => half).filter((half) => (half & 0x7fff) <= 0x7c00);
  expect(numbers.filter((half) => toFloat16(fromFloat16(half)) !== half)).toEqual([]);
  const list = Uint16Array.from(numbers);
  expect(toFloat16s(fromFloat16s(list))).toEqual(list);
});

it('numbers become the same float16 numbers in a list as by themselves', () => {
  const bits = Uint32Array.from({ length: 100_000 }, (_, at) => Math.imul(at, 2654435761));
  const values = new Float32Array(bits.buffer).filter((value) => !Number.isNaN(value));
  expect(toFloat16s(values)).toEqual(Uint16Array.from(values, toFloat16));
});

it('a file that is cut off is refused, and one that cannot be written leaves nothing', async () => {
  const path = join(folder, 'model.gguf');
  await write(path);
  const file = await open(path, 'r+');
  await file.truncate(300);
  await file.close();
  await expect(readGguf(path)).rejects.toThrow(`${path} is not a whole GGUF file`);
  await expect(write(join(folder, 'absent', 'model.gguf'))).rejects.toMatchObject({ code: 'storage' });
  expect(await readdir(folder)).toEqual(['model.gguf']);
});
