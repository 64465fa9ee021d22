import { expect, test } from 'vitest';
import { base64Of, bytesOfBase64, rgbaOf } from './pixels.ts';

test('grey and colour become opaque pixels', () => {
  expect([...rgbaOf(Uint8Array.of(7, 9), [1, 1, 2])]).toEqual([7, 7, 7, 255, 9, 9, 9, 255]);
  expect([...rgbaOf(Uint8Array.of(1, 2, 3), [3, 1, 1])]).toEqual([1, 2, 3, 255]);
});

test('bytes go through text and back', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 256);
  expect(bytesOfBase64(base64Of(bytes))).toEqual(bytes);
});
