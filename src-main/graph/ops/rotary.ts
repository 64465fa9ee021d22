// Rotary position embedding (Su et al., 2021) in the half-rotation layout of Hugging Face: entry i of a head is paired with entry i + h/2.
//
// With x = [x1, x2]: y1 = x1 c - x2 s, y2 = x2 c + x1 s. c and s need not be a cosine and a sine: a factor of all scores may be folded in.
// Shape legend: T positions, h head size.

import { add1, sameShape, shapeError, sizeOf, type GraphBuilder, type Op, type Value } from '../graph.ts';
import { add, mul, neg } from './elementwise.ts';
import { concat, slice } from './movement.ts';
import { reshape } from './reshape.ts';

/** Composite, linear in x. Inputs: x [..., T, h], c and s [T, h/2]. `inverse` 1 turns the other way (s negated): that is its gradient. */
export const Rotary: Op<{ inverse: number }> = {
  type: 'Rotary',
  kind: 'composite',
  infer(inputs) {
    const [x, c, s] = inputs;
    const [positions, size] = x!.shape.slice(-2) as [number, number];
    if (inputs.some((v) => v.shape.length < 2) || ![c!, s!].every((v) => sameShape(v.shape, [positions, size / 2])))
      throw shapeError('Rotary', 'cosines or sines do not fit', inputs);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  flops: ({ outputs }) => 3 * sizeOf(outputs[0]!.shape),
  saves: { inputs: [1, 2] },
  gradient({ g, saved: [c, s], attributes, outputGradients, wanted }) {
    if (wanted[1] || wanted[2]) throw new Error('Rotary: cosines and sines are taken as constants');
    return [add1(g, Rotary, [outputGradients[0]!, c!, s!], { inverse: 1 - attributes.inverse }), null, null];
  },
  lower(g, { inputs, attributes }, provider) {
    const [x, c, sine] = inputs as [Value, Value, Value];
    const s = attributes.inverse === 1 ? neg(g, sine) : sine;
    const [positions, size] = x.shape.slice(-2) as [number, number];
    if (provider === 'cpu' && x.shape.length > 2) {
      const heads = reshape(g, x, [x.shape[0]!, sizeOf(x.shape.slice(1, -2)), positions, size]);
      const first = g.constant('int64', [1], [0]);
      return [reshape(g, g.add(RotaryEmbedding, [heads, first, c, s], { interleaved: 0 })[0]!, x.shape)];
    }
    const axis = x.shape.length - 1;
    const half = (from: number) => slice(g, x, [axis], [from], [from + size / 2]);
    const swapped = concat(g, [half(size / 2), half(0)], axis);
    return [add(g, mul(g, x, concat(g, [c, c], 1)), mul(g, swapped, concat(g, [neg(g, s), s], 1)))];
  },
};

/** ONNX Runtime's operator. Inputs: x [B, heads, T, h], first position [1] (int64), c and s [T, h/2]. */
export const RotaryEmbedding: Op<{ interleaved: 0 }> = {
  type: 'RotaryEmbedding',
  kind: 'onnx',
  domain: 'com.microsoft',
  notDifferentiable: 'takes the place of Rotary when that is lowered',
  infer(inputs) {
    const [x, first, c, s] = inputs;
    const [, , positions, size] = x!.shape;
    const fits = [c!, s!].every((v) => sameShape(v.shape, [positions!, size! / 2]));
    if (x!.shape.length !== 4 || first!.dtype !== 'int64' || !fits)
      throw shapeError('RotaryEmbedding', 'operands do not fit', inputs);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  flops: ({ outputs }) => 3 * sizeOf(outputs[0]!.shape),
};

export const rotary = (g: GraphBuilder, x: Value, c: Value, s: Value) => add1(g, Rotary, [x, c, s], { inverse: 0 });

export const rotaryOps = { Rotary, RotaryEmbedding };
