// Root-mean-square normalisation over the last axis: y = x r w with r = 1 / sqrt(mean(x^2) + epsilon).
//
// Zhang and Sennrich, 2019. Composites, and the runtime's own operator that lowering uses where it is right.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type TensorType,
  type Value,
} from '../graph.ts';

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
  gradient({ g, inputs, outputs, outputGradients }) {
    if (outputGradients[1]) throw shapeError('RmsNorm', 'no gradient goes through output 1', inputs);
    return [...g.add(RmsNormGradient, [outputGradients[0]!, inputs[0]!, inputs[1]!, outputs[1]!], {})];
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

export const rmsNormOps = [RmsNorm, RmsNormGradient, SimplifiedLayerNormalization] as Op<Attributes>[];
