// A graph as other runtimes and their tools take it best: products with weights are MatMul and Add, which quantise where Gemm does not, and
// all that depends on weights and constants alone is computed. onnxruntime-node computes it, one value at a time.

import { GraphBuilder, type Graph, type Node, type Value } from '../graph/graph.ts';
import { toOnnx } from '../graph/onnx.ts';
import { add } from '../graph/ops/elementwise.ts';
import { Gemm, matMul } from '../graph/ops/linalg.ts';
import { transpose } from '../graph/ops/movement.ts';
import { removeDeadCode } from '../graph/passes/deadCode.ts';
import { rewrite } from '../graph/passes/rewrite.ts';
import { onnxRuntime, type Tensor } from '../runtime/onnxRuntime.ts';

/** Raw bytes of inputs by name, read or computed when they are asked for: a model need not be in memory. */
export type Weights = ReadonlyMap<string, () => Promise<Uint8Array>>;

/** A graph, and those of its inputs that are weights. */
export interface Form {
  graph: Graph;
  weights: Weights;
}

/** Some weights of the result are computed of those given, and have names of values. */
export function exportedForm({ graph, weights }: Form): Form {
  return foldConstants(gemmAsMatMul(graph), weights);
}

function gemmAsMatMul(graph: Graph): Graph {
  return rewrite(graph, (g, { op, inputs, attributes }) => {
    if (op !== Gemm || attributes.transA === 1) return null;
    const [x, weight, bias] = inputs as [Value, Value, Value?];
    const product = matMul(g, x, attributes.transB === 1 ? transpose(g, weight, [1, 0]) : weight);
    return [bias ? add(g, product, bias) : product];
  });
}

function foldConstants(graph: Graph, weights: Weights): Form {
  const known = new Set<Value>(graph.constants.map(({ value }) => value));
  for (const input of graph.inputs) if (weights.has(input.name)) known.add(input);
  const [fixed, rest]: [Node[], Node[]] = [[], []];
  for (const node of graph.nodes) {
    const isFixed = node.inputs.every((input) => known.has(input));
    if (isFixed) node.outputs.forEach((output) => known.add(output));
    (isFixed ? fixed : rest).push(node);
  }
  const read = new Set([...rest.flatMap(({ inputs }) => inputs), ...graph.outputs.map(({ value }) => value)]);
  const computed = fixed.flatMap(({ outputs }) => outputs.filter((output) => read.has(output)));
  const readNames = new Set([...read].map(({ name }) => name));
  const kept = new Map([...weights].filter(([name]) => readNames.has(name)));
  for (const value of computed) kept.set(value.name, () => compute({ ...graph, nodes: fixed }, value, weights));
  const g = new GraphBuilder(graph.name, {
    ...graph,
    inputs: [...graph.inputs.filter(({ name }) => !weights.has(name) || kept.has(name)), ...computed],
    nodes: rest,
  });
  return { graph: removeDeadCode(g.build()), weights: kept };
}

/** Raw bytes of one value of a graph of weights and constants. */
async function compute(graph: Graph, value: Value, weights: Weights): Promise<Uint8Array> {
  const needed = removeDeadCode({ ...graph, outputs: [{ name: 'value', value }] });
  const read = new Set(needed.nodes.flatMap(({ inputs }) => inputs));
  const inputs = needed.inputs.filter((input) => read.has(input));
  const runtime = await onnxRuntime();
  const session = await runtime.InferenceSession.create(toOnnx({ ...needed, inputs }), { logSeverityLevel: 3 });
  try {
    const feeds: Record<string, Tensor> = {};
    for (const { name, shape } of inputs)
      feeds[name] = new runtime.Tensor('float32', floatsOf(await weights.get(name)!()), shape);
    const results = await session.run(feeds);
    const { buffer, byteOffset, byteLength } = results.value!.data as Float32Array | BigInt64Array;
    return new Uint8Array(buffer, byteOffset, byteLength);
  } finally {
    await session.release();
  }
}

/** A view of raw bytes. */
export const floatsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array =>
  new Float32Array(buffer, byteOffset, byteLength / 4);
