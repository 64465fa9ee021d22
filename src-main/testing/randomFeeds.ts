// Random values for all inputs of a model's graph.

import type { ModelGraph } from '../models/model.ts';
import { randomSource, randomTensor } from './random.ts';
import type { TestTensor } from './runOnnx.ts';

/** Values for a training graph: random, but for variances (positive) and labels. */
export function randomFeeds(built: ModelGraph, classes: number): Map<string, TestTensor> {
  const random = randomSource(17);
  return new Map(
    built.graph.inputs.map(({ name, shape, dtype }) => {
      const { data } = randomTensor(random, shape);
      if (dtype === 'int64') return [name, { shape, data: Array.from(data, () => Math.floor(random() * classes)) }];
      return [name, { shape, data: name.endsWith('running_var') ? Array.from(data, Math.abs) : data }];
    }),
  );
}
