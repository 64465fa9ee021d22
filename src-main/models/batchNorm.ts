// Batch normalisation layers of a model, in its modes: training (with new running statistics), statistics alone, and inference.
//
// PyTorch's semantics: running = (1 - momentum) running + momentum batch, with the variance of the batch over count - 1.

import { sizeOf, type GraphBuilder, type Value } from '../graph/graph.ts';
import { add, mul } from '../graph/ops/elementwise.ts';
import { batchNormInference, batchNormTraining } from '../graph/ops/norm.ts';
import { UserError } from '../contract/errors.ts';

export const epsilon = 1e-5;
export const momentum = 0.1;

/** Parameters of one layer, as values. */
export interface Affine {
  weight: Value;
  bias: Value;
}

/** Mean and unbiased variance of the batch, per channel. */
export interface LayerStatistics {
  mean: Value;
  variance: Value;
}

/** Normalises with the batch's own statistics and hands them to `record`. */
export function normalizeBatch(
  g: GraphBuilder,
  x: Value,
  affine: Affine,
  record: (statistics: LayerStatistics) => void,
): Value {
  const count = sizeOf(x.shape) / x.shape[1]!;
  if (count < 2) {
    throw new UserError(
      'configuration',
      'batch normalisation needs more than one value per channel: enlarge the micro-batch or the image',
      {
        key: 'training.batch',
      },
    );
  }
  const { y, mean, variance } = batchNormTraining(g, x, affine.weight, affine.bias, epsilon);
  record({ mean, variance: mul(g, variance, g.scalar(count / (count - 1))) });
  return y;
}

export const normalizeRunning = (g: GraphBuilder, x: Value, affine: Affine, mean: Value, variance: Value): Value =>
  batchNormInference(g, x, affine.weight, affine.bias, mean, variance, epsilon);

export const updateRunning = (g: GraphBuilder, running: Value, batch: Value): Value =>
  add(g, mul(g, running, g.scalar(1 - momentum)), mul(g, batch, g.scalar(momentum)));
