// Reference interpreter: runs a graph, composite operators included, in float64 by the kernels of operators/. For tests only.

import { sizeOf, type Graph } from '../graph/graph.ts';
import { kernelOf } from './operators/index.ts';
import type { TestTensor } from './runOnnx.ts';

/** Outputs by name. */
export function interpret(graph: Graph, feeds: ReadonlyMap<string, TestTensor>): Map<string, TestTensor> {
  const values = new Map<string, TestTensor>();
  for (const input of graph.inputs) {
    const feed = feeds.get(input.name);
    if (!feed || feed.data.length !== sizeOf(input.shape)) throw new Error(`no fitting value for input ${input.name}`);
    values.set(input.name, { shape: input.shape, data: feed.data });
  }
  for (const { value, data } of graph.constants) values.set(value.name, { shape: value.shape, data });
  for (const node of graph.nodes) {
    const results = kernelOf(node.op)(
      node.inputs.map((input) => values.get(input.name)!),
      node.attributes,
      node,
    );
    results.forEach((result, i) => values.set(node.outputs[i]!.name, result));
  }
  return new Map(graph.outputs.map(({ name, value }) => [name, values.get(value.name)!]));
}
