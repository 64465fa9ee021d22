// How GGUF files store scalars: float32, float16, and q8_0, in which 32 values in a row share a float16 scale and are int8 each.

import type { GgufType } from '../contract/exportFormat.ts';
import { fromFloat16, fromFloat16s, toFloat16, toFloat16s } from '../graph/float16.ts';

interface Storage {
  /** Number of the type in ggml. */
  id: number;
  /** Of the file, in `general.file_type`, where most tensors are of this type. */
  fileType: number;
  /** Values that are stored together, and their bytes. */
  block: number;
  bytes: number;
  encode(values: Float32Array): Uint8Array;
  decode(bytes: Uint8Array): Float32Array;
}

export const storages: Record<GgufType, Storage> = {
  float32: {
    id: 0,
    fileType: 0,
    block: 1,
    bytes: 4,
    encode: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    decode: (bytes) => new Float32Array(new Uint8Array(bytes).buffer),
  },
  float16: {
    id: 1,
    fileType: 1,
    block: 1,
    bytes: 2,
    encode: (values) => new Uint8Array(toFloat16s(values).buffer),
    decode: (bytes) => fromFloat16s(new Uint16Array(new Uint8Array(bytes).buffer)),
  },
  q8_0: { id: 8, fileType: 7, block: 32, bytes: 34, encode: quantise, decode: dequantise },
};

/** Rounds halves away from zero. */
function quantise(values: Float32Array): Uint8Array {
  const { block, bytes } = storages.q8_0;
  const out = new Int8Array((values.length / block) * bytes);
  for (let from = 0, at = 0; from < values.length; from += block, at += bytes) {
    let largest = 0;
    for (let i = 0; i < block; i += 1) largest = Math.max(largest, Math.abs(values[from + i]!));
    const scale = largest / 127;
    const half = toFloat16(scale);
    out[at] = half;
    out[at + 1] = half >>> 8;
    if (scale === 0) continue;
    for (let i = 0; i < block; i += 1) {
      // A branch on the sign, which Math.round of the magnitude takes, costs three times as much.
      const scaled = values[from + i]! / scale;
      out[at + 2 + i] = Math.trunc(2 * scaled) - Math.trunc(scaled);
    }
  }
  return new Uint8Array(out.buffer);
}

function dequantise(source: Uint8Array): Float32Array {
  const { block, bytes } = storages.q8_0;
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const values = new Float32Array((source.length / bytes) * block);
  for (let to = 0, at = 0; at < source.length; to += block, at += bytes) {
    const scale = fromFloat16(view.getUint16(at, true));
    for (let i = 0; i < block; i += 1) values[to + i] = scale * view.getInt8(at + 2 + i);
  }
  return values;
}
