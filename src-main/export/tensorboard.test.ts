// Read back by a parser written from the format's description alone: record framing, wire types and field numbers.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ScalarLog } from './tensorboard.ts';
import { crc32c } from './tfrecord.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-tensorboard-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('computes CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

it('writes scalars that another reader understands', async () => {
  const before = Date.now() / 1000;
  const log = await ScalarLog.open(folder);
  log.add('train/loss', 0, 2.5);
  log.add('train/loss', 2 ** 40, -0.125);
  await log.flush();
  log.add('train/grad_norm', 3, NaN);
  await log.close();
  await log.close();
  const [name] = await readdir(folder);
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  expect(name!.endsWith(hostname())).toBe(true);
  const events = readRecords(await readFile(join(folder, name!))).map(readEvent);
  expect(events.map(({ wallTime, ...rest }) => (expect(wallTime).toBeGreaterThanOrEqual(before - 1), rest))).toEqual([
    { step: 0, version: 'brain.Event:2', scalars: [] },
    { step: 0, scalars: [['train/loss', 2.5]] },
    { step: 2 ** 40, scalars: [['train/loss', -0.125]] },
    { step: 3, scalars: [['train/grad_norm', NaN]] },
  ]);
});

it('says from which step a resumed run goes on', async () => {
  await (await ScalarLog.open(folder, 40)).close();
  const [name] = await readdir(folder);
  expect(readRecords(await readFile(join(folder, name!))).map(readEvent)).toMatchObject([
    { version: 'brain.Event:2' },
    { step: 40, sessionStatus: 1 },
  ]);
});

it('names a folder that is missing', async () => {
  const absent = join(folder, 'absent');
  await expect(ScalarLog.open(absent)).rejects.toMatchObject({ code: 'storage' });
});

/** u64 length, u32 masked CRC of the length, data, u32 masked CRC of the data. */
function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(unmasked(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    expect(unmasked(file.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function unmasked(stored: number): number {
  const rotated = (stored - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** Protobuf fields of a message: number -> values; varints as numbers, everything else as bytes. */
function readFields(message: Buffer): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => message.subarray(at, (at += length));
  while (at < message.length) {
    const key = varint();
    const wire = key % 8;
    const value = wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : varint());
    const number = Math.floor(key / 8);
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

function readEvent(record: Buffer) {
  const event = readFields(record);
  const bytes = (fields: Map<number, (number | Buffer)[]>, number: number) =>
    fields.get(number) as Buffer[] | undefined;
  const summary = bytes(event, 5)?.[0];
  const values = summary ? bytes(readFields(summary), 1)!.map((value) => readFields(value)) : [];
  const session = bytes(event, 7)?.[0];
  const version = bytes(event, 3)?.[0]?.toString();
  return {
    wallTime: bytes(event, 1)![0]!.readDoubleLE(),
    step: (event.get(2)?.[0] ?? 0) as number,
    ...(version && { version }),
    ...(session && { sessionStatus: readFields(session).get(1)![0] }),
    scalars: values.map((value) => [bytes(value, 1)![0]!.toString(), bytes(value, 2)![0]!.readFloatLE()]),
  };
}
