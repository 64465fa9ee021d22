// What tables print on a terminal.

import { afterEach, expect, it, vi } from 'vitest';
import { printDiagnosis } from './output.ts';

afterEach(() => vi.restoreAllMocks());

it('prints names with control characters in one line, and obeys none of them', () => {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  const detail = 'libcudart.so.13 in /a\n\u001b[31mfolder';
  printDiagnosis({ machine: '', findings: [{ id: 'a', title: 'A', state: 'ok', detail }] });
  expect(lines).toEqual(['STATE  WHAT  DETAIL', 'ok     A     libcudart.so.13 in /a\ufffd\ufffd[31mfolder']);
});
