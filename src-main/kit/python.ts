// A Python that has torch, for the other side of the comparison.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from '../contract/errors.ts';

const patienceMs = 60_000;

/** `named`, or the first of the usual names that can import torch; null where none can. A named one that cannot is an error. */
export async function findPython(named?: string): Promise<string | null> {
  if (named !== undefined) {
    if (await hasTorch(named)) return named;
    throw new UserError('usage', `--python: ${named} cannot import torch; name a Python that has it, or leave it out`);
  }
  for (const name of ['python3', 'python']) if (await hasTorch(name)) return name;
  return null;
}

async function hasTorch(python: string): Promise<boolean> {
  const script = 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)';
  return await promisify(execFile)(python, ['-c', script], { timeout: patienceMs }).then(
    () => true,
    () => false,
  );
}
