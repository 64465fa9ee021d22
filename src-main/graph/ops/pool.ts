// Max-pooling. Average pooling over the whole image is ReduceMean.

import {
  add1,
  sameShape,
  shapeError,
  sizeOf,
  type Attributes,
  type GraphBuilder,
  type Op,
  type Value,
} from '../graph.ts';
import { convExtent } from './conv.ts';

export type MaxPoolAttributes = {
  kernel_shape: readonly number[];
  strides: readonly number[];
  pads: readonly number[];
};

/** Input [N,C,H,W]; outputs: the maxima, and the index of each in the flattened input (the first where several are equal). */
export const MaxPool: Op<MaxPoolAttributes> = {
  type: 'MaxPool',
  kind: 'onnx',
  optionalOutputs: true,
  infer(inputs, attributes) {
    const x = inputs[0]!;
    const { kernel_shape, strides, pads } = attributes;
    if (x.shape.length !== kernel_shape.length + 2)
      throw shapeError('MaxPool', 'kernel does not fit the image', inputs, attributes);
    const rank = kernel_shape.length;
    const spatial = kernel_shape.map((kernel, i) =>
      convExtent(x.shape[i + 2]!, kernel, strides[i]!, pads[i]! + pads[i + rank]!),
    );
    const shape = [x.shape[0]!, x.shape[1]!, ...spatial];
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  flops: ({ outputs, attributes }) => sizeOf(outputs[0]!.shape) * sizeOf(attributes.kernel_shape),
  gradient: ({ g, inputs, outputs, attributes, outputGradients }) => [
    maxPoolGradient(g, outputGradients[0]!, outputs[1]!, inputs[0]!, outputs[0]!, attributes),
  ],
};

/** Composite. Inputs: dy, then indices, x and y of the MaxPool. Output: each gradient added where its maximum was. */
export const MaxPoolGradient: Op<MaxPoolAttributes> = {
  type: 'MaxPoolGradient',
  kind: 'composite',
  notDifferentiable: 'second derivatives are not built',
  infer(inputs, attributes) {
    const [dy, indices, x, y] = inputs;
    if (!sameShape(dy!.shape, y!.shape) || !sameShape(indices!.shape, y!.shape))
      throw shapeError('MaxPoolGradient', 'gradient, indices and maxima differ', inputs, attributes);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
};

export const maxPool = (g: GraphBuilder, x: Value, attributes: MaxPoolAttributes) => add1(g, MaxPool, [x], attributes);
export const maxPoolGradient = (
  g: GraphBuilder,
  dy: Value,
  indices: Value,
  x: Value,
  y: Value,
  attributes: MaxPoolAttributes,
) => add1(g, MaxPoolGradient, [dy, indices, x, y], attributes);

export const poolOps = [MaxPool, MaxPoolGradient] as Op<Attributes>[];
