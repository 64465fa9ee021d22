// A model whose products are of 8-bit integers, as ONNX Runtime's dynamic quantisation makes it: weights are stored so, with a scale for each
// row of outputs, and what they are multiplied with is rounded while the model runs. Embeddings are stored so, with a scale for each token.
//
// The integers are unsigned, with 128 for 0: products of unsigned and signed ones overflow on processors without instructions for them.

import type { GraphBuilder } from '../graph/graph.ts';
import { shapeError, type Graph, type Node, type Op, type Shape, type Value } from '../graph/graph.ts';
import { add, cast, mul, sub } from '../graph/ops/elementwise.ts';
import { Conv } from '../graph/ops/conv.ts';
import { Gather, gather } from '../graph/ops/indexing.ts';
import { MatMul } from '../graph/ops/linalg.ts';
import { removeDeadCode } from '../graph/passes/deadCode.ts';
import { rewrite } from '../graph/passes/rewrite.ts';
import { floatsOf, type Form } from './exportedForm.ts';

const zero = 128;
const largest = 127;
const notDifferentiable = 'for inference only';

/** x to integers, and their scale and zero point, found of its largest and smallest number. */
const DynamicQuantizeLinear: Op<Record<string, never>> = {
  type: 'DynamicQuantizeLinear',
  kind: 'onnx',
  notDifferentiable,
  infer: ([x]) => [
    { dtype: 'uint8', shape: x!.shape },
    { dtype: 'float32', shape: [] },
    { dtype: 'uint8', shape: [] },
  ],
};

/** As the operator of floats, of integers and their zero points. */
function ofIntegers<A extends Record<string, never> | Parameters<typeof Conv.infer>[1]>(op: Op<A>): Op<A> {
  return {
    type: `${op.type}Integer`,
    kind: 'onnx',
    notDifferentiable,
    ...(op.writtenBeside && { writtenBeside: op.writtenBeside }),
    infer(inputs, attributes) {
      if (inputs.length !== 4) throw shapeError(`${op.type}Integer`, 'takes two operands and their zeros', inputs);
      return [{ dtype: 'int32', shape: op.infer(inputs.slice(0, 2), attributes)[0]!.shape }];
    },
  };
}
const [MatMulInteger, ConvInteger] = [ofIntegers(MatMul), ofIntegers(Conv)];

export function inInt8({ graph, weights }: Form): Form {
  const stored = new Map(weights);
  const rounded = new Map<Value, readonly Value[]>();
  const known = new Map<string, Quantised>();

  /** The weight as integers; numbers that share a scale are `inner` in a row, of `count` scales in turn. */
  function quantised(g: GraphBuilder, weight: Value, scaleShape: Shape, inner: number): Quantised {
    const found = known.get(weight.name);
    if (found) return found;
    const values = g.input(`${weight.name}_quantized`, 'uint8', weight.shape);
    const scale = g.input(`${weight.name}_scale`, 'float32', scaleShape);
    const count = scaleShape.reduce((a, b) => a * b, 1);
    let scales: Promise<Float32Array> | undefined;
    const make = async () => quantise(floatsOf(await weights.get(weight.name)!()), count, inner);
    stored.set(values.name, async () => {
      const made = await make();
      scales = Promise.resolve(made.scales);
      return made.values;
    });
    stored.set(scale.name, async () => bytesOf(await (scales ?? make().then((made) => made.scales))));
    const one = { values, scale };
    known.set(weight.name, one);
    return one;
  }

  /** The product of x with integers, back as floats. */
  function product(g: GraphBuilder, x: Value, { values, scale }: Quantised, multiply: Multiply): Value {
    const [x8, xScale, xZero] = rounded.get(x) ?? g.add(DynamicQuantizeLinear, [x], {});
    rounded.set(x, [x8!, xScale!, xZero!]);
    const integers = multiply([x8!, values, xZero!, g.constant('uint8', [], [zero])]);
    return mul(g, cast(g, integers, 'float32'), mul(g, xScale!, scale));
  }

  const replaced = rewrite(graph, (g, { op, inputs, attributes }) => {
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const isWeight = (value: Value) => weights.has(value.name) && value.dtype === 'float32';
    if (op.type === MatMul.type && isWeight(weight) && weight.shape.length === 2) {
      const own = quantised(g, weight, [weight.shape[1]!], 1);
      return [product(g, x, own, (operands) => g.add(MatMulInteger, operands, {})[0]!)];
    }
    if (op.type === Conv.type && isWeight(weight)) {
      const [outputs, ...rest] = weight.shape as [number, ...number[]];
      const perOutput = [outputs, ...rest.slice(1).map(() => 1)];
      const own = quantised(
        g,
        weight,
        perOutput,
        rest.reduce((a, b) => a * b, 1),
      );
      const y = product(g, x, own, (operands) => g.add(ConvInteger, operands, attributes as ConvAttributes)[0]!);
      if (!bias) return [y];
      stored.set(`${bias.name}_plane`, weights.get(bias.name)!);
      return [add(g, y, g.input(`${bias.name}_plane`, 'float32', perOutput))];
    }
    if (op.type === Gather.type && attributes.axis === 0 && isWeight(x) && x.shape.length === 2) {
      const own = quantised(g, x, [x.shape[0]!, 1], x.shape[1]!);
      const [rows, scales] = [gather(g, own.values, weight, 0), gather(g, own.scale, weight, 0)];
      return [mul(g, sub(g, cast(g, rows, 'float32'), g.scalar(zero)), scales)];
    }
    return null;
  });
  return readOnly({ graph: removeDeadCode(replaced), weights: stored });
}

interface Quantised {
  values: Value;
  scale: Value;
}
type Multiply = (operands: readonly Value[]) => Value;
type ConvAttributes = Parameters<typeof Conv.infer>[1];

/** Without the weights that nothing reads. */
function readOnly({ graph, weights }: Form): Form {
  const read = new Set(graph.nodes.flatMap((node: Node) => node.inputs));
  const inputs = graph.inputs.filter((input) => read.has(input) || !weights.has(input.name));
  const names = new Set(inputs.map(({ name }) => name));
  const kept: Graph = { ...graph, inputs };
  return { graph: kept, weights: new Map([...weights].filter(([name]) => names.has(name))) };
}

/** Rounds to the nearest by cutting off what follows the point. Math.round, and a callback for each number, would take four times as long. */
function quantise(floats: Float32Array, count: number, inner: number) {
  const scales = new Float32Array(count);
  const values = new Uint8Array(floats.length);
  const next = (row: number) => (row + 1 === count ? 0 : row + 1);
  for (let at = 0, row = 0; at < floats.length; row = next(row))
    for (const end = at + inner; at < end; at += 1) scales[row] = Math.max(scales[row]!, Math.abs(floats[at]!));
  scales.forEach((most, row) => (scales[row] = most / largest));
  for (let at = 0, row = 0; at < floats.length; row = next(row)) {
    const scale = scales[row]!;
    for (const end = at + inner; at < end; at += 1) values[at] = scale === 0 ? zero : zero + 0.5 + floats[at]! / scale;
  }
  return { values, scales };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
