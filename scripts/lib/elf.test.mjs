import { expect, test } from 'vitest';
import { newestVersion, readElf } from './elf.mjs';

test.skipIf(process.platform !== 'linux')(
  'Node.js asks for the C library of the system, as its process report says',
  () => {
    const { needed, versions } = readElf(process.execPath);
    expect(needed).toContain('libc.so.6');
    const { glibcVersionCompiler, glibcVersionRuntime } = process.report.getReport().header;
    const wanted = newestVersion(versions, 'GLIBC');
    expect(wanted).toMatch(/^2\.\d+$/);
    for (const version of [glibcVersionCompiler, glibcVersionRuntime])
      expect(newestVersion([`GLIBC_${wanted}`, `GLIBC_${version}`], 'GLIBC')).toBe(version);
  },
);

test('what is no ELF file is refused by name', () => {
  expect(() => readElf(new URL(import.meta.url).pathname)).toThrow(
    /elf\.test\.mjs is no 64-bit little-endian ELF file$/,
  );
});

test('the newest version is found by number, among those of its prefix', () => {
  const versions = ['GLIBC_2.4', 'GLIBC_2.34', 'GLIBC_2.2.5', 'GLIBC_PRIVATE', 'GLIBCXX_3.4.22'];
  expect(newestVersion(versions, 'GLIBC')).toBe('2.34');
  expect(newestVersion(versions, 'GLIBCXX')).toBe('3.4.22');
  expect(newestVersion(versions, 'CXXABI')).toBeUndefined();
});
