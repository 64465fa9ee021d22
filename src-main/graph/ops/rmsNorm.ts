// Root-mean-square normalisation over the last axis: y = x r w with r = 1 / sqrt(mean(x^2) + epsilon).
//
// Zhang and Sennrich, 2019. Composites, and the runtime's own operator that lowering uses where it is right.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type GraphBuilder,
  type Op,
  type TensorType,
  type Value,
} from '../graph.ts';
import { add, div, mul, sqrt, sub } from './elementwise.ts';
import { matMul } from './linalg.ts';
import { reduceMean } from './reduction.ts';
import { reshape } from './reshape.ts';

type Epsilon = { epsilon: number };

/** y, and r with an extent of 1 in the last axis. */
function inferNorm(type: string, inputs: readonly Value[]): TensorType[] {
  const [x, w] = inputs;
  if (!x || x.shape.length === 0 || !w || !sameShape(w.shape, x.shape.slice(-1)))
    throw shapeError(type, 'takes a weight per entry of the last axis', inputs);
  return [
    { dtype: x.dtype, shape: x.shape },
    { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] },
  ];
}

/** Composite. Inputs: x, w. Outputs: y and r. */
export const RmsNorm: Op<Epsilon> = {
  type: 'RmsNorm',
  kind: 'composite',
  infer: (inputs) => inferNorm('RmsNorm', inputs),
  flops: ({ inputs }) => 4 * sizeOf(inputs[0]!.shape),
  saves: { inputs: [0, 1], outputs: [1] },
  gradient({ g, saved, inputs, outputGradients }) {
    if (outputGradients[1]) throw shapeError('RmsNorm', 'no gradient goes through output 1', inputs);
    return [...g.add(RmsNormGradient, [outputGradients[0]!, ...saved], {})];
  },
  lower(g, { inputs: [x, w], attributes: { epsilon } }, provider) {
    if (provider === 'cpu') return g.add(SimplifiedLayerNormalization, [x!, w!], { epsilon, axis: -1 });
    const square = reduceMean(g, mul(g, x!, x!), [x!.shape.length - 1], true);
    const r = div(g, g.scalar(1), sqrt(g, add(g, square, g.scalar(epsilon))));
    return [mul(g, mul(g, x!, r), w!), r];
  },
};

/** Composite. Inputs: dy, x, w, r. Outputs: dx = r dy w - x r^3 mean(dy w x) and dw = sum(dy x r). */
export const RmsNormGradient: Op<Record<string, never>> = {
  type: 'RmsNormGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs) {
    const [dy, x, w, r] = inputs as [Value, Value, Value, Value];
    const [like, row] = inferNorm('RmsNormGradient', [x, w]);
    if (!sameShape(dy.shape, like!.shape) || !sameShape(r.shape, row!.shape))
      throw shapeError('RmsNormGradient', 'gradient or root does not fit', inputs);
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: w.dtype, shape: w.shape },
    ];
  },
  flops: ({ inputs }) => 9 * sizeOf(inputs[1]!.shape),
  /** Sums over rows and over entries are matrix products, which read dy x once each. */
  lower(g, { inputs }) {
    const [dy, x, w, r] = inputs as [Value, Value, Value, Value];
    const width = w.shape[0]!;
    const rows = sizeOf(x.shape) / width;
    const product = reshape(g, mul(g, dy, x), [rows, width]);
    const dw = reshape(g, matMul(g, reshape(g, r, [1, rows]), product), [width]);
    const mean = div(g, matMul(g, product, reshape(g, w, [width, 1])), g.scalar(width));
    const slope = mul(g, reshape(g, mean, r.shape), mul(g, r, mul(g, r, r)));
    return [sub(g, mul(g, mul(g, dy, w), r), mul(g, x, slope)), dw];
  },
};

/** ONNX Runtime's operator: RmsNorm in one pass. */
export const SimplifiedLayerNormalization: Op<Epsilon & { axis: -1 }> = {
  type: 'SimplifiedLayerNormalization',
  kind: 'onnx',
  floatAttributes: ['epsilon'],
  optionalOutputs: true,
  notDifferentiable: 'takes the place of RmsNorm when that is lowered',
  infer: (inputs) => inferNorm('SimplifiedLayerNormalization', inputs),
  flops: ({ inputs }) => 4 * sizeOf(inputs[0]!.shape),
};

export const rmsNorm = (g: GraphBuilder, x: Value, w: Value, epsilon: number) => add1(g, RmsNorm, [x, w], { epsilon });

export const rmsNormOps = { RmsNorm, RmsNormGradient, SimplifiedLayerNormalization };
