// Cross-entropy of logits [B,K], from primitive operators, against labels [B] (int64), log sum exp(z) - z[label], or against shares of the classes
// [B,K] (float32, of sum 1), log sum exp(z) - sum p z; with z shifted by its maximum.

import type { GraphBuilder, Value } from '../graph/graph.ts';
import { cast, equal, exp, greater, log, mul, stopGradient, sub } from '../graph/ops/elementwise.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { reduceMax, reduceMean } from '../graph/ops/reduction.ts';
import { reduceSum } from '../graph/ops/broadcast.ts';

/** Loss of each sample, [B]. A negative label picks no class, so its loss means nothing until `maskedLoss` sets it to 0. */
export function crossEntropy(g: GraphBuilder, logits: Value, label: Value): Value {
  const [batch, classes] = logits.shape as [number, number];
  const shifted = sub(g, logits, stopGradient(g, reduceMax(g, logits, [1], true)));
  const logSum = log(g, reduceSum(g, exp(g, shifted), [1], false));
  const shares = label.dtype === 'float32' ? label : oneHot(g, label, batch, classes);
  return sub(g, logSum, reduceSum(g, mul(g, shifted, shares), [1], false));
}

function oneHot(g: GraphBuilder, label: Value, batch: number, classes: number): Value {
  const everyClass = g.constant(
    'int64',
    [1, classes],
    Array.from({ length: classes }, (_, k) => k),
  );
  return cast(g, equal(g, reshape(g, label, [batch, 1]), everyClass), 'float32');
}

/** The graph input `label`: shares of the classes [B,K] where labels are soft, else the class [B]. */
export const labelInput = (g: GraphBuilder, batch: number, classes: number, soft = false): Value =>
  soft ? g.input('label', 'float32', [batch, classes]) : g.input('label', 'int64', [batch]);

export const meanLoss = (g: GraphBuilder, logits: Value, label: Value): Value =>
  reduceMean(g, crossEntropy(g, logits, label), [0], false);

/** Loss of each sample, 0 where the label is negative (rows that fill up a batch). */
export function maskedLoss(g: GraphBuilder, logits: Value, label: Value): Value {
  const counted = cast(g, greater(g, label, g.scalar(-1, 'int64')), 'float32');
  return mul(g, crossEntropy(g, logits, label), counted);
}
