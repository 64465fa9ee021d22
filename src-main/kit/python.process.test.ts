// Stand-ins for Python: shell scripts that answer as one that has torch, one that lacks it and one that hangs.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findPython } from './python.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp python-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function python(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

const posixTest = test.skipIf(process.platform === 'win32');

posixTest('a named Python is taken where it imports torch, and refused with the reason where it does not', async () => {
  const whole = await python('whole', '[ "$2" = "import torch" ]');
  expect(await findPython(whole)).toEqual({ path: whole });
  const broken = await python(
    'broken',
    'echo Traceback >&2; echo "ImportError: libcudart.so.13: no such file" >&2; exit 1',
  );
  await expect(findPython(broken)).rejects.toThrow(
    `--python: ${broken}: ImportError: libcudart.so.13: no such file; name a Python that can import torch, or leave --python out`,
  );
  await expect(findPython(join(folder, 'nowhere'))).rejects.toThrow('nowhere: not found; name');
});

posixTest('a Python that hangs is given up', async () => {
  const hanging = await python('hanging', 'exec sleep 600');
  await expect(findPython(hanging, { patienceMs: 200 })).rejects.toThrow('"import torch" took more than 0.2 s');
});
