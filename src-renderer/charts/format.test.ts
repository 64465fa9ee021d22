import { expect, test } from 'vitest';
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatFigure,
  formatInteger,
  formatRate,
  formatShare,
  formatSi,
} from './format.ts';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

test('sizes are in binary units as in the terminal; counts carry SI prefixes and three digits', () => {
  expect([0, 999, 1024, 12_345, 44_700_000, 3.21e12].map((bytes) => plain(formatBytes(bytes)))).toEqual([
    '0 B',
    '999 B',
    '1.0 KiB',
    '12.1 KiB',
    '42.6 MiB',
    '2.9 TiB',
  ]);
  expect(plain(formatSi(11_173_962))).toBe('11.2 M');
  expect(plain(formatSi(-2500))).toBe('−2.50 k');
  expect(formatInteger(1234567)).toBe('1,234,567');
});

test('durations use the two largest units', () => {
  expect([0.04, 1, 9.96, 59.6, 65, 3599.7, 7380, 273_600].map((seconds) => plain(formatDuration(seconds)))).toEqual([
    '40 ms',
    '1.0 s',
    '10 s',
    '1 min 00 s',
    '1 min 05 s',
    '1 h 00 min',
    '2 h 03 min',
    '3 d 4 h',
  ]);
});

test('slow steps are given in seconds per step', () => {
  expect([5, 196, 2500, 0, NaN].map((stepMs) => plain(formatRate(stepMs)))).toEqual([
    '200 steps/s',
    '5.10 steps/s',
    '2.50 s/step',
    '–',
    '–',
  ]);
});

test('figures keep four digits, shares two decimals', () => {
  expect([0, 2.302585, 0.00001234, 123456].map(formatFigure)).toEqual(['0', '2.303', '1.23e-5', '1.23e+5']);
  expect(plain(formatShare(0.97314))).toBe('97.31 %');
});

test('a value that is not finite is said in words', () => {
  expect([formatFigure(null), formatFigure(NaN), formatFigure(Infinity), formatFigure(-Infinity)]).toEqual([
    'not finite',
    'not finite',
    '+infinity',
    '−infinity',
  ]);
  expect(formatBytes(NaN)).toBe('not finite');
});

test('ages are coarse', () => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  const ages = ['2026-01-01T23:59:30Z', '2026-01-01T23:55:00Z', '2026-01-01T20:00:00Z', '2025-12-30T00:00:00Z', 'x'];
  expect(ages.map((iso) => plain(formatAgo(iso, now)))).toEqual(['just now', '5 min ago', '4 h ago', '3 d ago', '–']);
});
