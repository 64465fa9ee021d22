// Which cards a library with code for NVIDIA's cards runs on. Code for a compute capability runs on those of its major from its minor on;
// code that is bound to its architecture (`9.0a`) on exactly that one; PTX, which drivers compile, on any card.
// https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#binary-compatibility

import type { NvidiaLibrary } from '../native.ts';

type Code = Pick<NvidiaLibrary, 'architectures' | 'hasPtx'>;

export function runsOn({ architectures, hasPtx }: Code, [major, minor]: readonly [number, number]): boolean {
  return hasPtx || architectures.some((architecture) => covers(architecture, major, minor));
}

function covers(architecture: string, major: number, minor: number): boolean {
  const [, ofMajor, ofMinor, bound] = /^(\d+)\.(\d+)(a?)/.exec(architecture) ?? [];
  if (Number(ofMajor) !== major) return false;
  return bound === 'a' ? Number(ofMinor) === minor : Number(ofMinor) <= minor;
}
