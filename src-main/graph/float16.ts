// Numbers of 16 bits (IEEE 754), which the runtimes that the app supports do not all know.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Bits of float32 numbers: the smallest that is normal as float16, and what is too large for it. */
const smallestNormal = 0x38800000;
const beyondLargest = 0x47800000;

/** Rounds to the nearest, ties to even; what is too large becomes infinite. */
export function toFloat16(value: number): number {
  float[0] = value;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude >= beyondLargest) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= smallestNormal) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // Float32 numbers from 0.5 to 1 are as far apart as the subnormal float16 numbers.
  float[0] = Math.abs(value) + 0.5;
  return sign | (bits[0]! - 0x3f000000);
}

export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >>> 10) & 31, half & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

export function toFloat16s(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let at = 0; at < halves.length; at += 1) {
    const word = words[at]!;
    const magnitude = word & 0x7fffffff;
    halves[at] =
      magnitude >= smallestNormal && magnitude < beyondLargest
        ? ((word >>> 16) & 0x8000) | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
        : toFloat16(values[at]!);
  }
  return halves;
}

/** By float16 number. */
let known: Float32Array | undefined;

export function fromFloat16s(halves: Uint16Array): Float32Array {
  known ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => fromFloat16(half));
  const values = new Float32Array(halves.length);
  for (let at = 0; at < halves.length; at += 1) values[at] = known[halves[at]!]!;
  return values;
}
