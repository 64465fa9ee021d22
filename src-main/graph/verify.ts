// Checks that a graph is well formed: each value defined once and before its use, names unique, types as the operators infer them.

import { sameShape, showType, sizeOf, type Graph, type Value } from './graph.ts';

/** Throws (a bug in whoever built the graph) with the node and the types at fault. Returns the graph, so that it chains. */
export function verify(graph: Graph): Graph {
  const defined = new Set<Value>();
  const names = new Set<string>();
  const define = (value: Value) => {
    if (names.has(value.name)) throw new Error(`${graph.name}: ${value.name} is defined twice`);
    names.add(value.name);
    defined.add(value);
  };
  graph.inputs.forEach(define);
  for (const { value, data } of graph.constants) {
    if (data.length !== sizeOf(value.shape))
      throw new Error(`${graph.name}: constant ${value.name} has ${data.length} numbers for ${showType(value)}`);
    define(value);
  }
  for (const { op, inputs, outputs, attributes } of graph.nodes) {
    const missing = inputs.find((input) => !defined.has(input));
    if (missing)
      throw new Error(`${graph.name}: ${op.type} ${outputs[0]?.name} uses ${missing.name} before it is defined`);
    op.infer(inputs, attributes).forEach((type, i) => {
      const output = outputs[i];
      if (!output || output.dtype !== type.dtype || !sameShape(output.shape, type.shape))
        throw new Error(
          `${graph.name}: ${op.type} ${output?.name} is ${output && showType(output)}, its rule says ${showType(type)}`,
        );
    });
    outputs.forEach(define);
  }
  const outputNames = new Set<string>();
  for (const { name, value } of graph.outputs) {
    if (!defined.has(value)) throw new Error(`${graph.name}: output ${name} is not defined`);
    if (outputNames.has(name)) throw new Error(`${graph.name}: output ${name} is named twice`);
    outputNames.add(name);
  }
  return graph;
}
