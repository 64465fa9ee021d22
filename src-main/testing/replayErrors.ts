// How far the files of a replay are from a reference case: largest relative errors of tensors (largest absolute difference over largest
// absolute value), and of losses and norms.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import type { ReplayResult } from '../run/replay.ts';

export type ReplayErrors = Record<'grad0' | 'final' | 'scalars', number>;

/** Folder of a reference case. */
export const caseFolder = (name: string) => join(import.meta.dirname, '../../testdata/cases', name);

/** `out`: what a replay of the case wrote. Fails where names or shapes differ. */
export async function replayErrors(name: string, out: string): Promise<ReplayErrors> {
  const found = await readResult(join(out, 'result.json'));
  const expected = await readResult(join(caseFolder(name), 'expect.json'));
  return {
    grad0: await worstTensor(name, 'grad0', out),
    final: await worstTensor(name, 'final', out),
    scalars: Math.max(
      relativeError(found.loss.flat(), expected.loss.flat()),
      relativeError(found.grad_norm, expected.grad_norm),
      relativeError([found.eval_loss_step0_worker0], [expected.eval_loss_step0_worker0]),
    ),
  };
}

async function worstTensor(name: string, part: 'grad0' | 'final', out: string): Promise<number> {
  const { tensors: found } = await readSafetensors(join(out, `${part}.safetensors`));
  const { tensors } = await readSafetensors(join(caseFolder(name), 'expect.safetensors'));
  const expected = [...tensors].filter(([key]) => key.startsWith(`${part}/`));
  if (found.size !== expected.length)
    throw new Error(`${name}: ${found.size} tensors in ${part}, expected ${expected.length}`);
  const errors = expected.map(([key, tensor]) => {
    const own = found.get(key.slice(part.length + 1));
    if (own?.shape.join() !== tensor.shape.join())
      throw new Error(
        `${name}: ${key} is ${own ? `[${own.shape.join()}]` : 'missing'}, expected [${tensor.shape.join()}]`,
      );
    return relativeError(asFloat32(own), asFloat32(tensor));
  });
  return Math.max(...errors);
}

const readResult = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as ReplayResult;

function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) throw new Error(`${found.length} numbers, expected ${expected.length}`);
  let [difference, largest] = [0, 0];
  for (let index = 0; index < expected.length; index += 1) {
    difference = Math.max(difference, Math.abs(found[index]! - expected[index]!));
    largest = Math.max(largest, Math.abs(expected[index]!));
  }
  return Number.isNaN(difference) ? Infinity : difference / (largest || 1);
}
