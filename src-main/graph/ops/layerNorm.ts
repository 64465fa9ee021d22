// Layer normalisation over the last axis, and its gradient.
//
// The gradient is a composite, as that of batch normalisation is (Ba, Kiros and Hinton, 2016; the sums run over the last axis).

import { add1, sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { reduceSum } from './broadcast.ts';
import { mul, sub } from './elementwise.ts';
import { reduceMean } from './reduction.ts';

type LayerNormalizationAttributes = { axis: number; epsilon: number };

/** Inputs: x, scale, bias (of the last axis). Outputs: y, and mean and 1 / sqrt(variance + epsilon) per row, the last axis kept as 1. */
export const LayerNormalization: Op<LayerNormalizationAttributes> = {
  type: 'LayerNormalization',
  kind: 'onnx',
  optionalOutputs: true,
  floatAttributes: ['epsilon'],
  infer(inputs, { axis }) {
    const [x, scale, bias] = inputs;
    const { dtype, shape } = x!;
    const entries = [shape.at(-1)!];
    if (axis !== -1 || !sameShape(scale!.shape, entries) || !sameShape(bias!.shape, entries))
      throw shapeError('LayerNormalization', 'takes one entry of scale and bias per entry of the last axis', inputs, {
        axis,
      });
    const row = { dtype, shape: [...shape.slice(0, -1), 1] };
    return [{ dtype, shape }, row, row];
  },
  flops: ({ inputs }) => 6 * sizeOf(inputs[0]!.shape),
  saves: { inputs: [0, 1], outputs: [1, 2] },
  gradient: ({ g, saved, outputGradients: [dy] }) => [...g.add(LayerNormalizationGradient, [dy!, ...saved], {})],
};

/**
 * Composite. Inputs: dy, x, scale, mean, inverse deviation r. Outputs: dx, dscale, dbias.
 * With xhat = (x - mean) r and d = dy scale: dbias = sum dy, dscale = sum dy xhat over rows, dx = r (d - mean d - xhat mean(d xhat)).
 */
export const LayerNormalizationGradient: Op<Record<string, never>> = {
  type: 'LayerNormalizationGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const [dy, x, scale, mean, inverse] = inputs;
    const rows = [...x!.shape.slice(0, -1), 1];
    if (!sameShape(dy!.shape, x!.shape) || !sameShape(mean!.shape, rows) || !sameShape(inverse!.shape, rows))
      throw shapeError('LayerNormalizationGradient', 'gradient, operand and statistics differ', inputs);
    return [x!, scale!, scale!].map(({ dtype, shape }) => ({ dtype, shape }));
  },
  flops: ({ inputs }) => 11 * sizeOf(inputs[0]!.shape),
  lower(g, { inputs }) {
    const [dy, x, scale, mean, inverse] = inputs as [Value, Value, Value, Value, Value];
    const last = x.shape.length - 1;
    const rows = x.shape.slice(0, -1).map((_, axis) => axis);
    const normalised = mul(g, sub(g, x, mean), inverse);
    const scaled = mul(g, dy, scale);
    const shift = reduceMean(g, scaled, [last], true);
    const slope = reduceMean(g, mul(g, scaled, normalised), [last], true);
    const dx = mul(g, sub(g, sub(g, scaled, shift), mul(g, normalised, slope)), inverse);
    return [dx, reduceSum(g, mul(g, dy, normalised), rows, false), reduceSum(g, dy, rows, false)];
  },
};

export const layerNorm = (g: GraphBuilder, x: Value, scale: Value, bias: Value, epsilon: number) =>
  add1(g, LayerNormalization, [x, scale, bias], { axis: -1, epsilon });

export const layerNormOps = { LayerNormalization, LayerNormalizationGradient };
