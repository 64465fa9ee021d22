import { expect, it } from 'vitest';
import { formatBytes, parseBytes } from './bytes.ts';

it.each([
  ['2GiB', 2 ** 31],
  ['1.5 GB', 1.5e9],
  ['512MiB', 2 ** 29],
  ['512 MB', 512e6],
  [' 1kB ', 1000],
  ['2000000000', 2e9],
  [2e9, 2e9],
  ['7B', 7],
])('%s is read as %d bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

it.each(['', 'GiB', '2 gigs', '-1GiB', '0', '0.4B', '1e9', '2gib', '2 G', '1,5GB', '9999999999GiB', 'constructor'])(
  '%j is no size',
  (text) => {
    expect(parseBytes(text)).toBeNull();
  },
);

it('sizes are written in binary units', () => {
  expect([0, 512, 1536, 2 ** 31].map(formatBytes)).toEqual(['0 B', '512 B', '1.5 KiB', '2.0 GiB']);
});
