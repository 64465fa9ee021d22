// What memory ONNX Runtime takes and gives back, node by node, when it runs a graph on the CPU.
//
// Follows the runtime's planner (onnxruntime/core/framework/allocation_planner.cc) in its order of execution, for files without extents
// (onnx.ts). An output is its input seen otherwise (Reshape, running statistics), or has a buffer of its own until its last reader is
// done. With extents in the file, results would also take over the buffers of others of the same shape, which are kept until then over any
// number of nodes: ResNet-18 took 15 to 40 % more. Inputs, outputs and constants of the graph are memory of the caller or the session.

import { bytesOf, type Graph, type Node, type Value } from './graph.ts';
import { executionOrder } from './executionOrder.ts';

export interface Buffer {
  /** The value that it is made for. */
  readonly value: Value;
  readonly bytes: number;
}

/** One node of the execution: buffers taken before it runs and given back after it. */
export interface Step {
  readonly node: Node;
  readonly taken: readonly Buffer[];
  readonly freed: readonly Buffer[];
}

export function allocations(graph: Graph): Step[] {
  const order = executionOrder(graph.nodes);
  const read = new Set(order.flatMap((node) => node.inputs));
  const outside = new Set<Value>([
    ...graph.inputs,
    ...graph.constants.map((constant) => constant.value),
    ...graph.outputs.map((output) => output.value),
  ]);
  const bufferOf = new Map<Value, Buffer>();
  const last = new Map<Buffer, number>();
  const taken = order.map((node, step) => {
    const made: Buffer[] = [];
    writtenOutputs(node, read).forEach((output, index) => {
      if (outside.has(output)) return;
      const alias = aliasOf(node, index);
      const buffer = alias ? bufferOf.get(alias) : { value: output, bytes: bytesOf(output) };
      if (!buffer) return;
      bufferOf.set(output, buffer);
      if (!alias) made.push(buffer);
    });
    // What nobody reads is given back with the rest at the end.
    for (const buffer of made) last.set(buffer, read.has(buffer.value) ? step : order.length - 1);
    for (const value of node.inputs) {
      const buffer = bufferOf.get(value);
      if (buffer) last.set(buffer, step);
    }
    return made;
  });
  const freed = order.map((): Buffer[] => []);
  for (const [buffer, step] of last) freed[step]!.push(buffer);
  return order.map((node, step) => ({ node, taken: taken[step]!, freed: freed[step]! }));
}

/** The input that an output of a node is, seen otherwise. */
function aliasOf({ op, inputs }: Node, output: number): Value | undefined {
  if (op.memory === 'alias' && output === 0) return inputs[0];
  const pair = op.overwrites?.find(([, written]) => written === output);
  return pair && inputs[pair[0]];
}

/** Outputs that are written: optional ones only up to the last that something reads. */
function writtenOutputs(node: Node, read: ReadonlySet<Value>): readonly Value[] {
  if (!node.op.optionalOutputs) return node.outputs;
  return node.outputs.slice(0, node.outputs.findLastIndex((output) => read.has(output)) + 1);
}
