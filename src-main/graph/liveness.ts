// Peak memory of a graph's intermediates, computed before anything runs.
//
// Nodes run in order; a buffer lives from the node that writes it to the last that reads it. As ONNX Runtime does, an elementwise node
// writes over an input of the same size that nobody needs afterwards, and a Reshape is its input seen otherwise. Inputs, outputs and
// constants are memory of the caller or the session and are reported apart. Scratch memory inside kernels is not counted.

import { bytesOf, type Graph, type Node, type Value } from './graph.ts';

export interface LiveTensor {
  name: string;
  bytes: number;
}

export interface Liveness {
  /** Largest sum of intermediate buffers alive at one node. */
  peakBytes: number;
  /** Name of the first output of the node at the peak; '' for a graph without nodes. */
  peakNode: string;
  /** Buffers alive at the peak, largest first. */
  alive: LiveTensor[];
  /** Bytes of graph inputs, outputs and constants. */
  inputBytes: number;
  outputBytes: number;
  constantBytes: number;
}

/** A buffer that one or more values share in turn. */
interface Buffer {
  name: string;
  bytes: number;
  first: number;
  last: number;
}

const totalBytes = (values: readonly Value[]): number => values.reduce((sum, value) => sum + bytesOf(value), 0);

export function liveness(graph: Graph): Liveness {
  const buffers = assignBuffers(graph);
  const { node, bytes } = findPeak(buffers, graph.nodes.length);
  const alive = buffers.filter((buffer) => buffer.first <= node && node <= buffer.last);
  return {
    peakBytes: bytes,
    peakNode: graph.nodes[node]?.outputs[0]?.name ?? '',
    alive: alive.map(({ name, bytes }) => ({ name, bytes })).sort((a, b) => b.bytes - a.bytes),
    inputBytes: totalBytes(graph.inputs),
    outputBytes: totalBytes(graph.outputs.map((output) => output.value)),
    constantBytes: totalBytes(graph.constants.map((constant) => constant.value)),
  };
}

/** Index of the last node that reads each value; outputs of the graph are read for ever. */
function lastUses(graph: Graph): Map<Value, number> {
  const last = new Map<Value, number>();
  graph.nodes.forEach((node, index) => node.inputs.forEach((input) => last.set(input, index)));
  for (const { value } of graph.outputs) last.set(value, Infinity);
  return last;
}

function assignBuffers(graph: Graph): Buffer[] {
  const last = lastUses(graph);
  const outside = new Set<Value>([
    ...graph.inputs,
    ...graph.constants.map((c) => c.value),
    ...graph.outputs.map((o) => o.value),
  ]);
  const bufferOf = new Map<Value, Buffer>();
  const buffers: Buffer[] = [];
  graph.nodes.forEach((node, index) => {
    node.outputs.forEach((output, i) => {
      const lastUse = last.get(output);
      if (lastUse === undefined && i > 0 && node.op.optionalOutputs) return;
      if (i === 0 && node.op.memory === 'alias' && outside.has(node.inputs[0]!)) outside.add(output);
      if (outside.has(output)) return;
      const shared = i === 0 ? sharedBuffer(node, index, output, bufferOf) : undefined;
      const buffer = shared ?? { name: output.name, bytes: bytesOf(output), first: index, last: index };
      buffer.last = Math.max(buffer.last, lastUse ?? index);
      bufferOf.set(output, buffer);
      if (!shared) buffers.push(buffer);
    });
  });
  return buffers;
}

/** Buffer of an input that output 0 may take over. */
function sharedBuffer(
  node: Node,
  index: number,
  output: Value,
  bufferOf: ReadonlyMap<Value, Buffer>,
): Buffer | undefined {
  if (node.op.memory === 'alias') return bufferOf.get(node.inputs[0]!);
  if (node.op.memory !== 'elementwise') return undefined;
  return node.inputs
    .map((input) => bufferOf.get(input))
    .find((buffer) => buffer !== undefined && buffer.last === index && buffer.bytes === bytesOf(output));
}

function findPeak(buffers: readonly Buffer[], numNodes: number): { node: number; bytes: number } {
  const change = new Array<number>(numNodes + 1).fill(0);
  for (const { first, last, bytes } of buffers) {
    change[first]! += bytes;
    if (last + 1 < change.length) change[last + 1]! -= bytes;
  }
  let [alive, node, peak] = [0, 0, 0];
  for (let index = 0; index < numNodes; index++) {
    alive += change[index]!;
    if (alive > peak) [node, peak] = [index, alive];
  }
  return { node, bytes: peak };
}
