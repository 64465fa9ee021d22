// Reference cases on WebGPU: within 1e-3 of PyTorch, and the same bytes from run to run for any number of device processes.
//
// Software Vulkan is slow where a workgroup waits for itself (LayerNorm, Softmax, ReduceMean), so that a case of Swin takes it a minute:
// one of them runs, or all where SDP_ALL_CASES is set.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { caseFolder, caseNames } from '../testing/cases.ts';
import { builtWorker } from '../testing/lab.ts';
import { onSoftwareVulkan, softwareVulkan } from '../testing/softwareVulkan.ts';
import { replayCase } from './replay.ts';
import { replayError } from './replayErrors.ts';

const tolerance = 1e-3;
const timeoutMs = 600_000;

const slow = (name: string) => name.startsWith('swin-') && name !== 'swin-neuron-backward';
const cases = process.env.SDP_ALL_CASES ? caseNames : caseNames.filter((name) => !slow(name));

describe.skipIf(!softwareVulkan)(`replay ${onSoftwareVulkan}`, () => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(softwareVulkan!)) vi.stubEnv(name, value);
  });

  const outs: string[] = [];
  afterAll(() => Promise.all(outs.map((out) => rm(out, { recursive: true }))));

  const replay = async (name: string, numDevices: number): Promise<string> => {
    const out = await mkdtemp(join(tmpdir(), 'sdp-replay-'));
    outs.push(out);
    await replayCase({
      caseFolder: caseFolder(name),
      out,
      numDevices,
      kind: 'webgpu',
      spawnDevice: builtWorker(),
    });
    return out;
  };

  const repeated = 'resnet-neuron-backward';
  let replayed: Promise<string> | undefined;
  const replayRepeated = () => (replayed ??= replay(repeated, 1));

  it.each(cases)(
    '%s is within 1e-3 of the reference',
    async (name) => {
      const out = await (name === repeated ? replayRepeated() : replay(name, 1));
      const error = await replayError(caseFolder(name), out);
      expect(error!.largest, error!.where).toBeLessThan(tolerance);
    },
    timeoutMs,
  );

  it(
    'gives the same bytes again, in one process or two',
    async () => {
      const replays = [await replayRepeated(), await replay(repeated, 1), await replay(repeated, 2)];
      for (const file of ['grad0.safetensors', 'final.safetensors', 'result.json']) {
        const [first, ...others] = await Promise.all(replays.map((out) => readFile(join(out, file))));
        for (const other of others) expect(other.equals(first!), file).toBe(true);
      }
    },
    timeoutMs,
  );
});
