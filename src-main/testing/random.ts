// Reproducible random numbers for tests.

import { sizeOf, type Shape } from '../graph/graph.ts';
import type { TestTensor } from './runOnnx.ts';

/** Uniform in [0, 1): the minimal standard generator of Park and Miller. */
export function randomSource(seed: number): () => number {
  let state = (seed % 2147483646) + 1;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** Float32 numbers of either sign with magnitudes in [0.25, 1.25], clear of the kinks at 0. */
export function randomTensor(random: () => number, shape: Shape): TestTensor {
  const number = () => Math.fround((random() < 0.5 ? -1 : 1) * (0.25 + random()));
  return { shape, data: Array.from({ length: sizeOf(shape) }, number) };
}
