// The gradient of layer normalisation in standard operators. The formulas are in ops/layerNorm.ts.

import { mul, sub } from '../ops/elementwise.ts';
import { reduceMean } from '../ops/reduction.ts';
import { reduceSum } from '../ops/broadcast.ts';
import type { Value } from '../graph.ts';
import type { Lowering } from './lowering.ts';

export const lowerLayerNormalizationGradient: Lowering = (g, { inputs }) => {
  const [dy, x, scale, mean, inverse] = inputs as [Value, Value, Value, Value, Value];
  const last = x.shape.length - 1;
  const rows = x.shape.slice(0, -1).map((_, axis) => axis);
  const normalised = mul(g, sub(g, x, mean), inverse);
  const scaled = mul(g, dy, scale);
  const shift = reduceMean(g, scaled, [last], true);
  const slope = reduceMean(g, mul(g, scaled, normalised), [last], true);
  const dx = mul(g, sub(g, sub(g, scaled, shift), mul(g, normalised, slope)), inverse);
  return [dx, reduceSum(g, mul(g, dy, normalised), rows, false), reduceSum(g, dy, rows, false)];
};
