// Pushes a pick of rows (Gather or Slice along one axis) up to the operands of what computes them, so that only those rows are computed.
//
// This is how backward masking saves work: the gradient of a weight is asked for in held rows only, and the pick moves through Transpose
// to the operands of the product or convolution that makes the gradient. Dead-code removal then drops the full gradient. A result that
// something else needs too is left alone.

import type { Graph, GraphBuilder, Node, Value } from '../graph.ts';
import { ConvWeightGradient, convWeightGradient } from '../ops/conv.ts';
import { Gather, gather } from '../ops/indexing.ts';
import { Gemm, gemm, MatMul, matMul } from '../ops/linalg.ts';
import { Slice, slice, Transpose, transpose } from '../ops/movement.ts';
import { rewrite } from './rewrite.ts';

/** A pick along one axis, applied to any value and axis. */
type Pick = (x: Value, axis: number) => Value;

export function narrow(graph: Graph): Graph {
  const uses = countUses(graph);
  return rewrite(graph, (g, node) => {
    const found = readPick(g, node);
    const result = found && push(g, node.inputs[0]!, found.axis, found.pick, uses);
    return result ? [result] : null;
  });
}

function countUses(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const count = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(count);
  for (const output of graph.outputs) count(output.value);
  return uses;
}

function readPick(g: GraphBuilder, node: Node): { axis: number; pick: Pick } | null {
  if (node.op.type === Gather.type && node.inputs[1]!.shape.length === 1) {
    return { axis: node.attributes.axis as number, pick: (x, axis) => gather(g, x, node.inputs[1]!, axis) };
  }
  if (node.op.type !== Slice.type) return null;
  const [axes, starts, ends] = ['axes', 'starts', 'ends'].map((name) => node.attributes[name] as readonly number[]);
  return axes!.length === 1 ? { axis: axes![0]!, pick: (x, axis) => slice(g, x, [axis], starts!, ends!) } : null;
}

/** The picked value computed from picked operands, or null where its producer does not allow it. */
function push(g: GraphBuilder, value: Value, axis: number, pick: Pick, uses: ReadonlyMap<Value, number>): Value | null {
  const node = g.producer(value);
  if (!node || (uses.get(value) ?? 0) > 1) return null;
  const [a, b] = node.inputs as [Value, Value];
  g.scope = node.scope;
  const attributes = node.attributes;
  const deeper = (x: Value, at: number) => push(g, x, at, pick, uses) ?? pick(x, at);
  switch (node.op.type) {
    case Transpose.type: {
      const perm = attributes.perm as readonly number[];
      return transpose(g, deeper(a, perm[axis]!), perm);
    }
    case ConvWeightGradient.type:
      // Rows are channels of the output gradient b, columns channels of the image a.
      if (axis === 0) return convWeightGradient(g, a, pick(b, 1), attributes as never);
      return axis === 1 ? convWeightGradient(g, pick(a, 1), b, attributes as never) : null;
    case MatMul.type:
      if (a.shape.length !== b.shape.length || axis < value.shape.length - 2) return null;
      return axis === value.shape.length - 1 ? matMul(g, a, deeper(b, axis)) : matMul(g, deeper(a, axis), b);
    case Gemm.type: {
      if (node.inputs.length === 3) return null;
      const { transA, transB } = attributes as { transA: number; transB: number };
      if (axis === 0) return gemm(g, deeper(a, transA), b, { transA, transB });
      return gemm(g, a, deeper(b, 1 - transB), { transA, transB });
    }
    default:
      return null;
  }
}
