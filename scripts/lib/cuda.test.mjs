import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasNvidiaGpu } from './cuda.mjs';

let system;
beforeEach(() => (system = mkdtempSync(join(tmpdir(), 'sdp-system-'))));
afterEach(() => rmSync(system, { recursive: true }));

test('a system without any file of the NVIDIA driver has no such GPU', () => {
  expect(hasNvidiaGpu(system)).toBe(false);
});

test.each([
  'proc/driver/nvidia/version',
  'dev/nvidia0',
  'usr/lib64/libnvidia-ml.so.1',
  'usr/lib/wsl/lib/libnvidia-ml.so.1',
])('the driver is seen by %s, without nvidia-smi', (path) => {
  mkdirSync(dirname(join(system, path)), { recursive: true });
  writeFileSync(join(system, path), '');
  expect(hasNvidiaGpu(system)).toBe(true);
});
