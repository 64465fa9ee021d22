// Predicted memory of a device process at its peak, by category, from the store layout and the graphs of its sessions.
//
// Weights, gradients and optimizer state: the parts of the shared store that the process touches (touched.ts), and with the weights the rows
// that are not contiguous there and are copied together. Activations: the arena of the sessions, which run one after the other, so the
// largest, and the constants of all; sessions of equal graphs share these. Workspace: the program and the runtime by themselves, what the
// runtime keeps for each node, and the batches held ready. The peak is in the steps or in an evaluation, whichever takes more. A device with memory of its own holds what its sessions
// have bound and the arenas of their graphs, which they keep while others run; state of the optimizer stays on the host. What workspace consists of was measured on
// Linux, x64, with Node.js 20 and ONNX Runtime 1.30 (bench/memory.md).

import type { MemoryBytes } from '../contract/plan.ts';
import { bytesOf, sizeOf, type Graph } from '../graph/graph.ts';
import { constantMemory, liveness, type ConstantMemory } from '../graph/liveness.ts';
import type { ModelGraph } from '../models/model.ts';
import type { StoreLayout, StoreSpan } from './storeLayout.ts';
import { touchedInSteps, type Participant, type Touched } from './touched.ts';

/** Resident bytes of a device process with the runtime loaded, but no session: Node.js, the addon, ONNX Runtime. */
const programBytes = 85 * 2 ** 20;
/** What the runtime keeps for a node of a session: its description, names, kernel, and plan. */
const nodeBytes = 5.5 * 1024;
/** What a span of rows in the layout takes: in the engine, and as it was handed over. */
const spanBytes = 630;
/** For the ends of pages and gaps between what kernels take besides the arena: a share of all the rest. */
const slack = 0.0075;
/** The arena comes from the system in steps of this. */
const arenaStep = 2 ** 21;

/** What the runtime has of a graph, and what its runs take. */
interface GraphMemory {
  /** Peak of the arena in a run, beside what constants take of it for good. */
  arenaBytes: number;
  constants: ConstantMemory;
  numNodes: number;
  /** What kernels take besides the arena. */
  scratchBytes: number;
}

export interface SessionMemory {
  /** One object for sessions that share a graph. */
  graph: GraphMemory;
  /** Rows that are copied together. */
  gatheredBytes: number;
  /** Samples, labels and whatever else is not in the store. */
  batchBytes: number;
  /** What is bound of the store: values, and slabs with what is carried from one micro-batch to the next. */
  bound: { weights: number; gradients: number };
}

export interface DeviceSessions extends Participant {
  /** Whether the device has memory of its own, which is what is predicted then. */
  ownMemory: boolean;
  training: readonly SessionMemory[];
  /** Sessions of an evaluation, which are there besides those of training. */
  evaluation: readonly SessionMemory[];
}

const known = new WeakMap<Graph, Map<number, GraphMemory>>();

function graphMemory(graph: Graph, threads: number): GraphMemory {
  const ofGraph = known.get(graph) ?? new Map<number, GraphMemory>();
  known.set(graph, ofGraph);
  const memory = ofGraph.get(threads) ?? {
    arenaBytes: liveness(graph, threads).arenaBytes,
    constants: constantMemory(graph),
    numNodes: graph.nodes.length,
    scratchBytes: Math.max(0, ...graph.nodes.map((node) => node.op.scratch?.heap?.(node) ?? 0)),
  };
  ofGraph.set(threads, memory);
  return memory;
}

/** `threads`: of the session; kernels take memory for each. */
export function sessionMemory({ graph, inputs, outputs, carried = [] }: ModelGraph, threads: number): SessionMemory {
  const inStore = new Set([...inputs, ...carried, ...outputs].map(({ port }) => port));
  const others = [...graph.inputs, ...graph.outputs.map(({ name, value }) => ({ ...value, name }))];
  const scalars = (ports: readonly { shape: readonly number[] }[]) =>
    ports.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const gathered = inputs.filter(({ rows }) => rows && rows.length > 0 && rows.at(-1)! - rows[0]! + 1 !== rows.length);
  return {
    graph: graphMemory(graph, threads),
    gatheredBytes: 4 * scalars(gathered),
    bound: { weights: 4 * scalars(inputs), gradients: 4 * (scalars(outputs) + scalars(carried)) },
    batchBytes: others.filter(({ name }) => !inStore.has(name)).reduce((sum, value) => sum + bytesOf(value), 0),
  };
}

export function predictDevice(layout: StoreLayout, device: DeviceSessions): MemoryBytes {
  const { training, evaluation, ownMemory } = device;
  if (ownMemory) return onDevice([...training, ...evaluation]);
  const base = programBytes + layoutBytes(layout);
  const inSteps = phase(base, touchedInSteps(layout, device), training, training);
  const allWeights = { weights: 4 * layout.valuesSize, gradients: 0, optimizer: 0 };
  const inEvaluation = phase(base, allWeights, [...training, ...evaluation], evaluation);
  return inSteps.total >= inEvaluation.total ? inSteps : inEvaluation;
}

function layoutBytes({ tensors }: StoreLayout): number {
  return tensors.reduce((sum, { spans }) => sum + spanBytes * spans.length, 0);
}

/** `there`: sessions that exist; `running`: those that run, one at a time. */
function phase(
  base: number,
  touched: Touched,
  there: readonly SessionMemory[],
  running: readonly SessionMemory[],
): MemoryBytes {
  const most = (of: (session: SessionMemory) => number) => Math.max(0, ...running.map(of));
  const graphs = graphsOf(there);
  const activations = total(graphs, ({ constants }) => constants.arenaBytes) + most(({ graph }) => graph.arenaBytes);
  const kept =
    total(graphs, ({ numNodes, constants }) => nodeBytes * numNodes + constants.otherBytes) +
    total(there, ({ batchBytes }) => batchBytes);
  const unused = Math.ceil(activations / arenaStep) * arenaStep - activations;
  const ready = (running.length + 2) * most(({ batchBytes }) => batchBytes);
  const weights = touched.weights + total(there, ({ gatheredBytes }) => gatheredBytes);
  const reserve = slack * (weights + touched.gradients + touched.optimizer + activations);
  const parts = {
    ...touched,
    weights,
    activations,
    workspace: Math.ceil(base + kept + most(({ graph }) => graph.scratchBytes) + ready + unused + reserve),
  };
  return withTotal(parts);
}

/** Peak of a device's own memory: in an evaluation, while the sessions of training are there too. */
function onDevice(sessions: readonly SessionMemory[]): MemoryBytes {
  const graphs = graphsOf(sessions);
  return withTotal({
    weights: total(sessions, ({ bound }) => bound.weights),
    gradients: total(sessions, ({ bound }) => bound.gradients),
    optimizer: 0,
    activations: total(graphs, ({ arenaBytes, constants }) => arenaBytes + constants.arenaBytes),
    workspace: total(graphs, ({ constants }) => constants.otherBytes) + total(sessions, ({ batchBytes }) => batchBytes),
  });
}

const graphsOf = (sessions: readonly SessionMemory[]) => [...new Set(sessions.map(({ graph }) => graph))];

const total = <T>(items: readonly T[], bytesOf: (item: T) => number): number =>
  items.reduce((sum, item) => sum + bytesOf(item), 0);

function withTotal(parts: Omit<MemoryBytes, 'total'>): MemoryBytes {
  return { ...parts, total: Object.values(parts).reduce((total, bytes) => total + bytes, 0) };
}

/** Scalars that at least one of the workers holds. */
export function heldScalars(layout: StoreLayout, workers: readonly number[]): number {
  const held = (span: StoreSpan) => span.holders.some((holder) => workers.includes(holder));
  return layout.tensors.reduce(
    (total, tensor) => total + tensor.spans.filter(held).reduce((rows, span) => rows + span.rows, 0) * tensor.rowSize,
    0,
  );
}
