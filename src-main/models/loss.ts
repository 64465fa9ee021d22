// Cross-entropy of logits [B,K] against labels [B], from primitive operators: log sum exp(z) - z[label], with z shifted by its maximum.

import type { GraphBuilder, Value } from '../graph/graph.ts';
import { cast, equal, exp, greater, log, mul, stopGradient, sub } from '../graph/ops/elementwise.ts';
import { reshape } from '../graph/ops/movement.ts';
import { reduceMax, reduceMean, reduceSum } from '../graph/ops/reduction.ts';

/** Loss of each sample, [B]. A negative label picks no class, so its loss means nothing until `maskedLoss` sets it to 0. */
export function crossEntropy(g: GraphBuilder, logits: Value, label: Value): Value {
  const [batch, classes] = logits.shape as [number, number];
  const shifted = sub(g, logits, stopGradient(g, reduceMax(g, logits, [1], true)));
  const logSum = log(g, reduceSum(g, exp(g, shifted), [1], false));
  const everyClass = g.constant(
    'int64',
    [1, classes],
    Array.from({ length: classes }, (_, k) => k),
  );
  const oneHot = cast(g, equal(g, reshape(g, label, [batch, 1]), everyClass), 'float32');
  return sub(g, logSum, reduceSum(g, mul(g, shifted, oneHot), [1], false));
}

export const meanLoss = (g: GraphBuilder, logits: Value, label: Value): Value =>
  reduceMean(g, crossEntropy(g, logits, label), [0], false);

/** Loss of each sample, 0 where the label is negative (rows that fill up a batch). */
export function maskedLoss(g: GraphBuilder, logits: Value, label: Value): Value {
  const counted = cast(g, greater(g, label, g.scalar(-1, 'int64')), 'float32');
  return mul(g, crossEntropy(g, logits, label), counted);
}
