// Exports the network of a reference case after its last step: PyTorch's loss of it in evaluation mode is the measure.

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelDefinition } from '../models/model.ts';
import { readCase } from '../testing/cases.ts';
import type { TestTensor } from '../testing/runOnnx.ts';
import { exportOnnx } from './onnxExport.ts';
import { readSafetensors, writeSafetensors, type SafeTensor } from './safetensors.ts';
import { compareLogits, logitsOfOnnx, logitsOfSafetensors, verifyLogits } from './verify.ts';

let folder: string;
let model: ModelDefinition;
let weights: string;
let images: Float32Array;
let shape: readonly number[];
let labels: number[];
let expectedLoss: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-export-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Network and samples of a case. */
async function loadCase(name: string): Promise<void> {
  weights = join(folder, `${name}.safetensors`);
  const reference = await readCase(name);
  model = reference.model;
  expectedLoss = reference.evaluationLoss;
  const final = [...reference.expect].filter(([name]) => name.startsWith('final/'));
  await writeSafetensors(weights, new Map(final.map(([name, tensor]) => [name.slice(6), float32(tensor)])));
  const input = reference.batches.get('step0.worker0.input')!;
  [images, shape] = [Float32Array.from(input.data), input.shape];
  labels = Array.from(reference.batches.get('step0.worker0.label')!.data);
}

function float32({ shape, data }: TestTensor): SafeTensor {
  return { dtype: 'F32', shape: [...shape], data: new Uint8Array(Float32Array.from(data).buffer) };
}

/** Mean cross-entropy. */
function lossOf(logits: Float32Array): number {
  const classes = logits.length / labels.length;
  const losses = labels.map((label, row) => {
    const scores = [...logits.subarray(row * classes, (row + 1) * classes)];
    return Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[label]!;
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

describe.each(['resnet-ddp', 'swin-ddp'])('export of %s', (name) => {
  beforeAll(() => loadCase(name));

  it("gives PyTorch's loss from either file, with the same logits", async () => {
    const out = join(folder, 'model.onnx');
    await exportOnnx({ model, weights, out });
    const ofOnnx = await logitsOfOnnx(out, { data: images, shape });
    const ofSafetensors = await logitsOfSafetensors(model, [weights], { data: images, shape });
    expect(lossOf(ofOnnx)).toBeCloseTo(expectedLoss, 4);
    expect(lossOf(ofSafetensors)).toBeCloseTo(expectedLoss, 4);
    expect(verifyLogits(out, ofOnnx, ofSafetensors)).toBeLessThan(1e-5);
  });

  it('accepts any batch', async () => {
    const out = join(folder, 'batch.onnx');
    await exportOnnx({ model, weights, out });
    const all = await logitsOfOnnx(out, { data: images, shape });
    const sample = images.length / shape[0]!;
    const three = await logitsOfOnnx(out, {
      data: images.subarray(0, 3 * sample),
      shape: [3, ...shape.slice(1)],
    });
    expect(compareLogits(all.subarray(0, three.length), three)).toBeLessThan(1e-5);
  });
});

describe('export', () => {
  beforeAll(() => loadCase('resnet-ddp'));

  it('is refused with what is wrong where weights do not fit, and leaves nothing behind', async () => {
    const { tensors } = await readSafetensors(weights);
    const out = join(folder, 'none.onnx');
    const attempt = async (changed: Map<string, SafeTensor>) => {
      const path = join(folder, 'changed.safetensors');
      await writeSafetensors(path, changed);
      return await exportOnnx({ model, weights: path, out }).catch((error: Error) =>
        error.message.replace(path, 'FILE'),
      );
    };
    const lacking = new Map([...tensors].filter(([name]) => name !== 'fc.bias'));
    expect(await attempt(lacking)).toBe('FILE has no tensor fc.bias, expected F32 [10]');
    const small: SafeTensor = { dtype: 'F32', shape: [2], data: new Uint8Array(8) };
    expect(await attempt(new Map([...tensors, ['fc.bias', small]]))).toBe(
      'FILE has fc.bias as F32 [2], expected F32 [10]',
    );
    await writeFile(join(folder, 'changed.safetensors'), 'damaged');
    await expect(exportOnnx({ model, weights: join(folder, 'changed.safetensors'), out })).rejects.toMatchObject({
      code: 'checkpoint',
    });
    expect((await readdir(folder)).filter((name) => name.includes('none'))).toEqual([]);
  });
});

describe('comparison of logits', () => {
  it('is relative to the largest expected value', () => {
    expect(compareLogits([2, -4], [2, -4])).toBe(0);
    expect(compareLogits([2, -4], [2.5, -4])).toBe(0.125);
    expect(compareLogits([0, 0], [0, 0])).toBe(0);
    expect(compareLogits([0, 0], [0, 1])).toBe(Infinity);
    expect(compareLogits([1, NaN], [1, NaN])).toBe(Infinity);
    expect(() => compareLogits([1], [1, 2])).toThrow('1 logits were expected, 2 found');
  });

  it('fails with the figures', () => {
    expect(() => verifyLogits('m.onnx', [1, 2], [1, 2.1])).toThrow(
      'the exported file m.onnx differs from the trained model: its logits are off by 5.0e-2 of the largest, allowed are 0.0001',
    );
    expect(() => verifyLogits('m.onnx', [NaN], [NaN])).toThrow(
      'the exported file m.onnx is of no use: the logits are not finite',
    );
  });
});
