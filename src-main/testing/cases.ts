// Reads the reference cases in testdata/cases.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { families, type ModelSpec } from '../families/configs.ts';
import { readSafetensors, type SafeTensor } from '../export/safetensors.ts';
import { createModel } from '../families/models.ts';
import type { Masks, ModelDefinition } from '../models/model.ts';
import { readCaseFile } from '../replay/caseFile.ts';
import type { TestTensor } from './runOnnx.ts';

export interface ReferenceCase {
  spec: ModelSpec;
  model: ModelDefinition;
  masks: Masks;
  batch: number;
  steps: number;
  init: Map<string, TestTensor>;
  batches: Map<string, TestTensor>;
  expect: Map<string, TestTensor>;
  losses: number[][];
  evaluationLoss: number;
}

interface ExpectFile {
  loss: number[][];
  eval_loss_step0_worker0: number;
}

const regimes = ['ddp', 'block-forward', 'block-backward', 'neuron-forward', 'neuron-backward'];
/** Of every family, in each regime. */
export const caseNames = [...families.keys()].flatMap((family) => regimes.map((regime) => `${family}-${regime}`));

/** Folder of a reference case. */
export const caseFolder = (name: string) => join(import.meta.dirname, '../../testdata/cases', name);

export async function readCase(name: string): Promise<ReferenceCase> {
  const folder = caseFolder(name);
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const tensors = async (file: string) => {
    const { tensors } = await readSafetensors(join(folder, file));
    return new Map([...tensors].map(([key, tensor]) => [key, toNumbers(tensor)]));
  };
  const expected = json('expect.json') as ExpectFile;
  const file = await readCaseFile(folder);
  return {
    spec: file.model,
    model: createModel(file.model),
    masks: file.masks,
    batch: file.batch_per_worker,
    steps: file.steps,
    init: await tensors('init.safetensors'),
    batches: await tensors('batches.safetensors'),
    expect: await tensors('expect.safetensors'),
    losses: expected.loss,
    evaluationLoss: expected.eval_loss_step0_worker0,
  };
}

function toNumbers({ dtype, shape, data }: SafeTensor): TestTensor {
  const { buffer, byteOffset, byteLength } = data;
  if (dtype === 'I64')
    return { shape, data: Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), Number) };
  return { shape, data: new Float32Array(buffer, byteOffset, byteLength / 4) };
}
