// A Python that has torch, for the other side of the comparison.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from '../contract/errors.ts';

/** `problem`: why nothing stands beside, a clause. */
export type Python = { path: string; problem?: undefined } | { path?: undefined; problem: string };

interface Options {
  signal?: AbortSignal;
  /** For the import of torch, which reads gigabytes when it is the first. */
  patienceMs?: number;
}

/** `named`, or the first of the usual names that can import torch. A named one that cannot is an error. */
export async function findPython(named: string | undefined, options: Options = {}): Promise<Python> {
  const failures: string[] = [];
  for (const path of named === undefined ? ['python3', 'python'] : [named]) {
    const failure = await importTorch(path, options);
    if (failure === null) return { path };
    failures.push(`${path}: ${failure}`);
  }
  if (named !== undefined && !options.signal?.aborted)
    throw new UserError(
      'usage',
      `--python: ${failures.join('; ')}; name a Python that can import torch, or leave --python out`,
    );
  return { problem: `no Python can import torch (${failures.join('; ')})` };
}

/** Null, or why it failed. */
async function importTorch(python: string, { signal, patienceMs = 60_000 }: Options): Promise<string | null> {
  try {
    await promisify(execFile)(python, ['-c', 'import torch'], { timeout: patienceMs, signal, killSignal: 'SIGKILL' });
    return null;
  } catch (error) {
    const { code, killed, stderr = '' } = error as { code?: unknown; killed?: boolean; stderr?: string };
    if (code === 'ENOENT') return 'not found';
    if (killed) return `"import torch" took more than ${patienceMs / 1000} s`;
    return stderr.trim().split('\n').at(-1) || 'it ended without a word';
  }
}
