// Batch normalisation and its gradient in standard operators. The formulas are in ops/norm.ts.

import { sizeOf, type GraphBuilder, type Value } from '../graph.ts';
import { cudnnBatchNormalization, CudnnBatchNormalizationGradient } from '../ops/cudnn.ts';
import { add, div, mul, neg, sqrt, sub } from '../ops/elementwise.ts';
import { reshape } from '../ops/reshape.ts';
import { batchNormInference } from '../ops/norm.ts';
import { reduceMean } from '../ops/reduction.ts';
import { reduceSum } from '../ops/broadcast.ts';
import { chooseFormulation, type ShapeClass } from './formulations.ts';
import type { Lowering } from './lowering.ts';

/** All axes but the channels. */
const imageAxes = (x: Value) => x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));

/** A value per channel, shaped to broadcast over images. */
const overImage = (g: GraphBuilder, perChannel: Value, x: Value) =>
  reshape(g, perChannel, [x.shape[1]!, ...x.shape.slice(2).map(() => 1)]);

const deviation = (g: GraphBuilder, variance: Value, epsilon: number) => sqrt(g, add(g, variance, g.scalar(epsilon)));

const shapeClass = ({ shape }: Value): ShapeClass => ({ channels: shape[1]!, pixels: sizeOf(shape.slice(2)) });

/** The training mode of BatchNormalization exists on the CPU provider only; elsewhere it is spelled out. */
export const lowerBatchNormalization: Lowering = (g, { inputs, attributes }, provider, options) => {
  const [x, scale, bias] = inputs;
  if (provider === 'cpu' || attributes.training_mode !== 1) return null;
  if (provider === 'cuda' && chooseFormulation('BatchNormalization', shapeClass(x!), options) === 'cudnn')
    return cudnnBatchNormalization(g, x!, scale!, bias!, attributes.epsilon as number);
  const mean = reduceMean(g, x!, imageAxes(x!), false);
  const centred = sub(g, x!, overImage(g, mean, x!));
  const variance = reduceMean(g, mul(g, centred, centred), imageAxes(x!), false);
  const factor = div(g, scale!, deviation(g, variance, attributes.epsilon as number));
  return [add(g, mul(g, centred, overImage(g, factor, x!)), overImage(g, bias!, x!)), mean, variance];
};

/**
 * With factor = scale / s, the input gradient is factor dy + slope x + shift: sum dy x gives all that is needed, in few passes over the
 * images. Not centring x costs no accuracy that the runtime's forward pass has: that is x factor + shift too.
 */
export const lowerBatchNormalizationGradient: Lowering = (g, { inputs, attributes }, provider, options) => {
  const [dy, x, scale, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  if (provider === 'cuda' && chooseFormulation('BatchNormalizationGradient', shapeClass(x), options) === 'cudnn')
    return g.add(CudnnBatchNormalizationGradient, inputs, { epsilon: attributes.epsilon as number });
  const count = g.scalar(sizeOf(x.shape) / x.shape[1]!);
  const s = deviation(g, variance, attributes.epsilon as number);
  const factor = div(g, scale, s);
  const dbias = reduceSum(g, dy, imageAxes(x), false);
  const product = reduceSum(g, mul(g, dy, x), imageAxes(x), false);
  const dscale = div(g, sub(g, product, mul(g, mean, dbias)), s);
  const slope = neg(g, div(g, mul(g, factor, dscale), mul(g, s, count)));
  const shift = neg(g, add(g, div(g, mul(g, factor, dbias), count), mul(g, slope, mean)));
  const dx = add(g, mul(g, dy, overImage(g, factor, x)), affine(g, x, slope, shift, provider === 'cpu'));
  return [dx, dscale, dbias];
};

/** x slope + shift per channel; `fused`: in one pass, as a normalisation with mean 0 and variance 1. */
function affine(g: GraphBuilder, x: Value, slope: Value, shift: Value, fused: boolean): Value {
  if (!fused) return add(g, mul(g, x, overImage(g, slope, x)), overImage(g, shift, x));
  const channels = slope.shape;
  const filled = (value: number) => g.constant('float32', channels, new Array<number>(channels[0]!).fill(value));
  return batchNormInference(g, x, slope, shift, filled(0), filled(1), 0);
}
