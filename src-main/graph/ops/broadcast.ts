// Broadcasting of ONNX (as NumPy's): shapes align at the last axis, extents of 1 stretch.

import { sameShape, shapeError, type GraphBuilder, type Shape, type Value } from '../graph.ts';
import { reshape } from './movement.ts';
import { reduceSum } from './reduction.ts';

/** Shape of an elementwise operation over the inputs. */
export function broadcastShape(op: string, inputs: readonly Value[]): number[] {
  const rank = Math.max(...inputs.map((v) => v.shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = inputs.map((v) => v.shape[axis - rank + v.shape.length] ?? 1);
    const stretched = extents.find((extent) => extent !== 1) ?? 1;
    if (extents.some((extent) => extent !== 1 && extent !== stretched))
      throw shapeError(op, 'shapes do not broadcast', inputs);
    return stretched;
  });
}

/** Sums a gradient over the axes along which an operand of `shape` was stretched. */
export function unbroadcast(g: GraphBuilder, gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((extent, axis) =>
    axis < lead || (shape[axis - lead] === 1 && extent !== 1) ? [axis] : [],
  );
  const summed = reduceSum(g, gradient, axes, false);
  return sameShape(summed.shape, shape) ? summed : reshape(g, summed, shape);
}
