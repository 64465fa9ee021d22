// Every reference case in testdata/cases, through the real engine: within 1e-4 of PyTorch, and the same bytes for any number of devices.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensors, asFloat32 } from '../export/safetensors.ts';
import { readCase } from '../testing/cases.ts';
import { builtWorker } from '../testing/lab.ts';
import { replayCase, type ReplayResult } from './replay.ts';

const regimes = ['ddp', 'block-forward', 'block-backward', 'neuron-forward', 'neuron-backward'];
const cases = ['resnet', 'swin', 'llama'].flatMap((family) => regimes.map((regime) => `${family}-${regime}`));
const tolerance = 1e-4;

describe.each(cases)('%s', (name) => {
  it('is within 1e-4 of the reference, bit-equal for 1, 2 and 4 device processes', async () => {
    const caseFolder = join(import.meta.dirname, '../../testdata/cases', name);
    const temporary = await mkdtemp(join(tmpdir(), 'sdp-replay-'));
    const outputs = [];
    for (const numDevices of [1, 2, 4]) {
      const out = join(temporary, String(numDevices));
      const result = await replayCase({ caseFolder, out, numDevices, kind: 'cpu', spawnDevice: builtWorker() });
      const files = ['grad0.safetensors', 'final.safetensors', 'result.json'];
      outputs.push({ result, files: await Promise.all(files.map((file) => readFile(join(out, file)))) });
    }
    for (const { files } of outputs.slice(1)) expect(files).toEqual(outputs[0]!.files);
    const reference = await readCase(name);
    expect(await worstTensor(join(temporary, '1/grad0.safetensors'), 'grad0/', reference.expect)).toBeLessThan(
      tolerance,
    );
    expect(await worstTensor(join(temporary, '1/final.safetensors'), 'final/', reference.expect)).toBeLessThan(
      tolerance,
    );
    expect(worstScalar(outputs[0]!.result, await readExpected(caseFolder))).toBeLessThan(tolerance);
    await rm(temporary, { recursive: true });
  });
});

/** Largest relative error of a tensor: max abs difference over max abs value. Names must match exactly. */
async function worstTensor(
  path: string,
  prefix: string,
  expected: Awaited<ReturnType<typeof readCase>>['expect'],
): Promise<number> {
  const { tensors } = await readSafetensors(path);
  const names = [...expected.keys()].filter((key) => key.startsWith(prefix));
  expect([...tensors.keys()].map((key) => prefix + key).sort()).toEqual(names.sort());
  const errors = names.map((key) => {
    const found = tensors.get(key.slice(prefix.length))!;
    expect([key, found.shape]).toEqual([key, [...expected.get(key)!.shape]]);
    return relativeError(asFloat32(found), expected.get(key)!.data);
  });
  return Math.max(...errors);
}

function worstScalar(found: ReplayResult, expected: ReplayResult): number {
  return Math.max(
    relativeError(found.loss.flat(), expected.loss.flat()),
    relativeError(found.grad_norm, expected.grad_norm),
    relativeError([found.eval_loss_step0_worker0], [expected.eval_loss_step0_worker0]),
  );
}

function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let [difference, largest] = [0, 0];
  for (let index = 0; index < expected.length; index += 1) {
    difference = Math.max(difference, Math.abs(found[index]! - expected[index]!));
    largest = Math.max(largest, Math.abs(expected[index]!));
  }
  return Number.isNaN(difference) ? Infinity : difference / (largest || 1);
}

async function readExpected(folder: string): Promise<ReplayResult> {
  return JSON.parse(await readFile(join(folder, 'expect.json'), 'utf8')) as ReplayResult;
}
