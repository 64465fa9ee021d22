// Elements in another shape. In it 0 stands for the extent that the operand has there, and -1 for what is left: so a file holds for any extents.

import { add1, sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Shape, type Value } from '../graph.ts';

export const Reshape: Op<{ shape: readonly number[] }> = {
  type: 'Reshape',
  kind: 'onnx',
  memory: 'alias',
  attributeInputs: ['shape'],
  flops: () => 0,
  infer(inputs, { shape }) {
    const x = inputs[0]!;
    const kept = shape.map((extent, axis) => (extent === 0 ? x.shape[axis]! : extent));
    const rest = sizeOf(x.shape) / sizeOf(kept.filter((extent) => extent !== -1));
    const found = kept.map((extent) => (extent === -1 ? rest : extent));
    if (sizeOf(x.shape) !== sizeOf(found)) throw shapeError('Reshape', 'sizes differ', inputs, { shape });
    return [{ dtype: x.dtype, shape: found }];
  },
  refetched: true,
  simplify: (g, { outputs: [y], attributes: { shape } }, before) =>
    before?.op === Reshape && isFixed(shape) ? reshape(g, before.inputs[0]!, y!.shape) : null,
  gradient: ({ g, inputs, outputGradients }) => [reshape(g, outputGradients[0]!, inputs[0]!.shape)],
};

/** Says every extent. */
export const isFixed = (shape: Shape): boolean => shape.every((extent) => extent > 0);

export const reshape = (g: GraphBuilder, x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : add1(g, Reshape, [x], { shape });

export const reshapeOps = { Reshape };
