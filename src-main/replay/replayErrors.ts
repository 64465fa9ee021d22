// How far the files of a replay are from what the case expects (expect.safetensors and expect.json in its folder): largest relative errors,
// that is largest absolute difference over largest absolute value, of each tensor, of the losses and of the norms.

import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { asFloat32, readSafetensors } from '../export/safetensors.ts';
import type { ReplayResult } from './replay.ts';

export interface ReplayError {
  /** Infinity where a tensor is missing or of another shape, or a number is not finite. */
  largest: number;
  /** What differs most: a key of expect.safetensors, or a figure of expect.json. */
  where: string;
}

/** `out`: what a replay of the case wrote. Null where the case has no expect.safetensors. */
export async function replayError(caseFolder: string, out: string): Promise<ReplayError | null> {
  const expectations = join(caseFolder, 'expect.safetensors');
  const isThere = await access(expectations).then(
    () => true,
    () => false,
  );
  if (!isThere) return null;
  const { tensors: expected } = await readSafetensors(expectations);
  const errors = await scalarErrors(caseFolder, out);
  for (const part of ['grad0', 'final']) {
    const { tensors: found } = await readSafetensors(join(out, `${part}.safetensors`));
    const wanted = [...expected].filter(([key]) => key.startsWith(`${part}/`));
    for (const [key, tensor] of wanted) {
      const own = found.get(key.slice(part.length + 1));
      const comparable = own?.shape.join() === tensor.shape.join();
      errors.push({ where: key, largest: comparable ? relativeError(asFloat32(own), asFloat32(tensor)) : Infinity });
    }
    const extra = [...found.keys()].find((name) => !expected.has(`${part}/${name}`));
    if (extra !== undefined) errors.push({ where: `${part}/${extra}`, largest: Infinity });
  }
  return errors.reduce((worst, error) => (error.largest > worst.largest ? error : worst));
}

async function scalarErrors(caseFolder: string, out: string): Promise<ReplayError[]> {
  const expected = await readResult(join(caseFolder, 'expect.json'));
  const found = await readResult(join(out, 'result.json'));
  return [
    { where: 'loss', largest: relativeError(found.loss.flat(), expected.loss.flat()) },
    { where: 'grad_norm', largest: relativeError(found.grad_norm, expected.grad_norm) },
    {
      where: 'eval_loss_step0_worker0',
      largest: relativeError([found.eval_loss_step0_worker0], [expected.eval_loss_step0_worker0]),
    },
  ];
}

async function readResult(path: string): Promise<ReplayResult> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ReplayResult;
  } catch (error) {
    throw new UserError('data', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** JSON writes a number that is not finite as null. */
function relativeError(found: ArrayLike<number | null>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let [difference, largest] = [0, 0];
  for (let index = 0; index < expected.length; index += 1) {
    const own = found[index] ?? NaN;
    if (!Number.isFinite(own)) return Infinity;
    difference = Math.max(difference, Math.abs(own - expected[index]!));
    largest = Math.max(largest, Math.abs(expected[index]!));
  }
  return difference / (largest || 1);
}
