// What tables print on a terminal.

import { afterEach, expect, it, vi } from 'vitest';
import { printDiagnosis } from './output.ts';

afterEach(() => vi.restoreAllMocks());

it('prints names with control characters in one line, and obeys none of them', () => {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const detail = 'libcudart.so.13 in /a\n\u001b[31mfolder';
  printDiagnosis({ machine: '', findings: [{ id: 'a', title: 'A', state: 'ok', detail }] });
  expect(written).toEqual(['STATE  WHAT  DETAIL\n', 'ok     A     libcudart.so.13 in /a\\n\\x1b[31mfolder\n']);
});
