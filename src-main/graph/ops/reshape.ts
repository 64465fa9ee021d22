// Elements in another shape.

import { add1, sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Shape, type Value } from '../graph.ts';

export const Reshape: Op<{ shape: readonly number[] }> = {
  type: 'Reshape',
  kind: 'onnx',
  memory: 'alias',
  attributeInputs: ['shape'],
  flops: () => 0,
  infer(inputs, { shape }) {
    const x = inputs[0]!;
    if (sizeOf(x.shape) !== sizeOf(shape)) throw shapeError('Reshape', 'sizes differ', inputs, { shape });
    return [{ dtype: x.dtype, shape }];
  },
  refetched: true,
  simplify: (g, { outputs: [y] }, before) => (before?.op === Reshape ? reshape(g, before.inputs[0]!, y!.shape) : null),
  gradient: ({ g, inputs, outputGradients }) => [reshape(g, outputGradients[0]!, inputs[0]!.shape)],
};

export const reshape = (g: GraphBuilder, x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : add1(g, Reshape, [x], { shape });

export const reshapeOps = { Reshape };
