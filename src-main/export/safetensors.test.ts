import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asFloat32, readSafetensors, writeSafetensors, type SafeTensor } from './safetensors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const float32 = (shape: number[], values: number[]): SafeTensor => ({
  dtype: 'F32',
  shape,
  data: bytes(Float32Array.from(values)),
});

describe('safetensors', () => {
  it('reads back what it wrote, with metadata, scalars and empty tensors', async () => {
    const path = join(folder, 'round.safetensors');
    const tensors = new Map<string, SafeTensor>([
      ['flag', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
      ['conv1.weight', float32([2, 1, 2], [1, -2, 3.5, Infinity])],
      ['bn1.num_batches_tracked', { dtype: 'I64', shape: [], data: bytes(BigInt64Array.of(7n)) }],
      ['empty', float32([0, 4], [])],
    ]);
    await writeSafetensors(path, tensors, { format: 'pt', step: '12' });
    const read = await readSafetensors(path);
    expect(read.metadata).toEqual({ format: 'pt', step: '12' });
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
    expect([...asFloat32(read.tensors.get('conv1.weight')!)]).toEqual([1, -2, 3.5, Infinity]);
  });

  it('aligns every tensor to its width and pads the header to 8 bytes', async () => {
    const path = join(folder, 'aligned.safetensors');
    const long = { dtype: 'I64', shape: [1], data: bytes(BigInt64Array.of(1n)) };
    await writeSafetensors(
      path,
      new Map([
        ['odd', { dtype: 'U8', shape: [1], data: Uint8Array.of(9) }],
        ['float', float32([1], [1])],
        ['long', long],
      ]),
    );
    const file = await readFile(path);
    const headerBytes = Number(file.readBigUInt64LE());
    expect(headerBytes % 8).toBe(0);
    expect(JSON.parse(file.toString('utf8', 8, 8 + headerBytes))).toEqual({
      long: { dtype: 'I64', shape: [1], data_offsets: [0, 8] },
      float: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
      odd: { dtype: 'U8', shape: [1], data_offsets: [12, 13] },
    });
  });

  it('converts float64 and refuses other types as float32', () => {
    expect([...asFloat32({ dtype: 'F64', shape: [2], data: bytes(Float64Array.of(0.5, 2)) })]).toEqual([0.5, 2]);
    expect(() => asFloat32({ dtype: 'I64', shape: [1], data: new Uint8Array(8) })).toThrow(
      'a tensor of type I64 was found where F32 was expected',
    );
  });

  it('views float32 data that begins anywhere in a buffer', () => {
    const shifted = new Uint8Array(9);
    shifted.set(bytes(Float32Array.of(1, 2)), 1);
    expect([...asFloat32({ dtype: 'F32', shape: [2], data: shifted.subarray(1) })]).toEqual([1, 2]);
  });

  it('leaves nothing behind where the folder is missing', async () => {
    const path = join(folder, 'absent', 'x.safetensors');
    await expect(writeSafetensors(path, new Map())).rejects.toMatchObject({
      code: 'storage',
      message: `${path} cannot be written: its folder does not exist`,
    });
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
  });
});

const encode = (header: unknown, data = 0, headerBytes?: number): Buffer => {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(headerBytes ?? Buffer.byteLength(json)));
  return Buffer.concat([prefix, Buffer.from(json), Buffer.alloc(data)]);
};
const one = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };

const malformed: [string, Buffer, string][] = [
  ['empty', Buffer.alloc(0), 'it has 0 bytes, and a header needs at least 8'],
  ['huge header', encode('{}', 0, 2 ** 40), `its header would have ${2 ** 40} bytes`],
  ['cut header', encode('{}', 0, 100), 'its header should have 100 bytes, but 2 follow'],
  ['no JSON', encode('{"a"'), 'its header is not JSON'],
  ['no object', encode([1]), 'its header is not a JSON object'],
  ['bad metadata', encode({ __metadata__: { a: 1 } }), 'its __metadata__ is not a record of strings'],
  ['no shape', encode({ a: { dtype: 'F32', data_offsets: [0, 4] } }, 4), 'tensor a: shape is missing'],
  ['negative extent', encode({ a: { ...one, shape: [-1] } }, 4), 'tensor a: shape.0 must be at least 0, got -1'],
  ['unknown type', encode({ a: { ...one, dtype: 'F128' } }, 4), 'tensor a has the unknown type F128'],
  ['wrong span', encode({ a: { ...one, shape: [2] } }, 4), 'tensor a of type F32 and shape [2] needs 8 bytes, got 4'],
  ['overlap', encode({ a: one, b: { ...one } }, 4), 'tensor b starts at byte 0, expected 4'],
  ['gap', encode({ a: { ...one, data_offsets: [4, 8] } }, 8), 'tensor a starts at byte 4, expected 0'],
  ['truncated', encode({ a: one }, 3), 'it is truncated: its tensors need 4 bytes, got 3'],
  ['trailing', encode({ a: one }, 6), '2 bytes follow its last tensor'],
];

describe('a malformed safetensors file', () => {
  it.each(malformed)('is refused with what is wrong: %s', async (name, content, problem) => {
    const path = join(folder, `${name}.safetensors`);
    await writeFile(path, content);
    const error: unknown = await readSafetensors(path).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'checkpoint', key: path });
    expect((error as Error).message).toContain(`${path} is not a valid safetensors file: ${problem}`);
  });

  it('is named where it is missing', async () => {
    await expect(readSafetensors('/nowhere/a.safetensors')).rejects.toMatchObject({
      code: 'checkpoint',
      message: '/nowhere/a.safetensors does not exist',
    });
  });
});
