// Peak memory of a graph's intermediates on the CPU provider, computed before anything runs.
//
// Follows the runtime through its order of execution (executionOrder.ts), what it takes and gives back (allocations.ts), what kernels take
// besides (`scratch` of the operators), and where the arena puts each piece (blocks.ts). Inputs, outputs and constants of the graph are memory of the
// caller or the session and are reported apart.

import { allocations, type Buffer, type Step } from './allocations.ts';
import { alignedBytes, Blocks, type Block } from './blocks.ts';
import { bytesOf, elementBytes, type Graph, type Value } from './graph.ts';

export interface LiveTensor {
  name: string;
  bytes: number;
}

export interface Liveness {
  /** Largest sum of what is alive at one node: intermediates and what its kernel takes. */
  peakBytes: number;
  /** Size of the arena that holds it, gaps between the pieces included. */
  arenaBytes: number;
  /** Name of the first output of the node at the peak; '' for a graph without nodes. */
  peakNode: string;
  /** Buffers alive at the peak, largest first. */
  alive: LiveTensor[];
  /** Bytes of graph inputs, outputs and constants. */
  inputBytes: number;
  outputBytes: number;
  constantBytes: number;
}

const totalBytes = (values: readonly Value[]): number => values.reduce((sum, value) => sum + bytesOf(value), 0);

/** `threads`: of the session; kernels take memory for each. */
export function liveness(graph: Graph, threads = 1): Liveness {
  const steps = allocations(graph);
  const { step, bytes, arenaBytes } = findPeak(steps, threads);
  return {
    peakBytes: bytes,
    arenaBytes,
    peakNode: steps[step]?.node.outputs[0]!.name ?? '',
    alive: aliveAt(steps, step).sort((a, b) => b.bytes - a.bytes),
    inputBytes: totalBytes(graph.inputs),
    outputBytes: totalBytes(graph.outputs.map((output) => output.value)),
    constantBytes: totalBytes(graph.constants.map((constant) => constant.value)),
  };
}

export interface Peak {
  /** The first step with the largest sum. */
  step: number;
  bytes: number;
  arenaBytes: number;
}

export function findPeak(steps: readonly Step[], threads: number): Peak {
  const blocks = new Blocks();
  const placed = new Map<Buffer, Block>();
  const peak = { step: 0, bytes: 0 };
  let alive = 0;
  steps.forEach(({ node, taken, freed }, step) => {
    const { scratch: kernel } = node.op;
    const scratch = (kernel?.arena?.(node, threads) ?? []).filter((bytes) => bytes > 0);
    const takeScratch = () => scratch.map((bytes) => blocks.take(bytes));
    const first = kernel?.first ? takeScratch() : null;
    for (const buffer of taken) {
      placed.set(buffer, blocks.take(buffer.bytes));
      alive += buffer.bytes;
    }
    (first ?? takeScratch()).forEach((block) => blocks.giveBack(block));
    const sum = scratch.reduce((total, bytes) => total + bytes, alive);
    if (sum > peak.bytes) Object.assign(peak, { step, bytes: sum });
    for (const buffer of freed) {
      blocks.giveBack(placed.get(buffer)!);
      alive -= buffer.bytes;
    }
  });
  return { ...peak, arenaBytes: blocks.peak };
}

function aliveAt(steps: readonly Step[], step: number): LiveTensor[] {
  const gone = new Set(steps.slice(0, step).flatMap(({ freed }) => freed));
  const taken = steps.slice(0, step + 1).flatMap((each) => each.taken);
  return taken.filter((buffer) => !gone.has(buffer)).map(({ value, bytes }) => ({ name: value.name, bytes }));
}

/** The runtime puts constants of up to so many bytes into the arena, and keeps larger ones elsewhere. */
const smallConstantBytes = 127;

export interface ConstantMemory {
  arenaBytes: number;
  otherBytes: number;
}

/** What the constants of a graph take, those included that its file has for attributes (onnx.ts). */
export function constantMemory(graph: Graph): ConstantMemory {
  const given = graph.constants.map(({ value }) => bytesOf(value));
  const attributes = graph.nodes.flatMap(({ op, attributes }) =>
    (op.attributeInputs ?? []).map((name) => elementBytes.int64 * (attributes[name] as readonly number[]).length),
  );
  const all = [...given, ...attributes];
  const small = all.filter((bytes) => bytes <= smallConstantBytes);
  return {
    arenaBytes: small.reduce((sum, bytes) => sum + alignedBytes(bytes), 0),
    otherBytes: all.filter((bytes) => bytes > smallConstantBytes).reduce((sum, bytes) => sum + bytes, 0),
  };
}
