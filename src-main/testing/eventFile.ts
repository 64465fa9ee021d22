// Reads TensorBoard's event files by a parser written from the format's description alone: record framing, wire types and field numbers.

import { crc32c } from '../export/tfrecord.ts';

export const readEvents = (file: Buffer) => readRecords(file).map(readEvent);

/** u64 length, u32 masked CRC of the length, data, u32 masked CRC of the data. */
function readRecords(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    check(file.readUInt32LE(at + 8), file.subarray(at, at + 8));
    check(file.readUInt32LE(at + 12 + length), data);
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function check(stored: number, data: Buffer): void {
  if (unmasked(stored) !== crc32c(data)) throw new Error(`wrong CRC of ${data.length} bytes`);
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
  const others = values
    .filter((value) => !value.has(2))
    .map((value) => ({ tag: bytes(value, 1)![0]!.toString(), value }));
  return {
    wallTime: bytes(event, 1)![0]!.readDoubleLE(),
    step: (event.get(2)?.[0] ?? 0) as number,
    ...(version && { version }),
    ...(session && { sessionStatus: readFields(session).get(1)![0] }),
    scalars: values
      .filter((value) => value.has(2))
      .map((value) => [bytes(value, 1)![0]!.toString(), bytes(value, 2)![0]!.readFloatLE()]),
    ...(others.length > 0 && { others }),
  };
}
