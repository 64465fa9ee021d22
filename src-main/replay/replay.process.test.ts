// Every reference case in testdata/cases, through the real engine: within 1e-4 of PyTorch, and the same bytes for any number of devices.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { caseFolder, caseNames } from '../testing/cases.ts';
import { builtWorker } from '../testing/lab.ts';
import { replayCase } from './replay.ts';
import { replayError } from './replayErrors.ts';

const tolerance = 1e-4;

describe.each(caseNames)('%s', (name) => {
  it('is within 1e-4 of the reference, bit-equal for 1, 2 and 4 device processes', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'sdp-replay-'));
    const outputs = [];
    for (const numDevices of [1, 2, 4]) {
      const out = join(temporary, String(numDevices));
      await replayCase({ caseFolder: caseFolder(name), out, numDevices, kind: 'cpu', spawnDevice: builtWorker() });
      const files = ['grad0.safetensors', 'final.safetensors', 'result.json'];
      outputs.push(await Promise.all(files.map((file) => readFile(join(out, file)))));
    }
    for (const files of outputs.slice(1)) expect(files).toEqual(outputs[0]);
    const error = await replayError(caseFolder(name), join(temporary, '1'));
    expect(error!.largest, error!.where).toBeLessThan(tolerance);
    await rm(temporary, { recursive: true });
  });
});
