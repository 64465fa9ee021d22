// Binds a model's graphs to the store: which tensor, rows and slab place each graph input and output is.

import { customOps, packGraph, type BoundGraph } from '../device/deviceSessions.ts';
import type { Graph } from '../graph/graph.ts';
import { toOnnx } from '../graph/onnx.ts';
import { publishedPrefix, publishGradients } from '../graph/passes/publish.ts';
import { verify } from '../graph/verify.ts';
import { slabOffset, type StoreLayout } from '../memory/storeLayout.ts';
import type { ModelGraph, Target, TensorPort } from '../models/model.ts';
import type { DeviceOptions, SessionInput, SessionOutput } from '../native.ts';

type Kind = DeviceOptions['kind'];

/** What graphs are lowered for. */
export const targetOf = (provider: Kind, customOperators = customOps()): Target => ({
  provider,
  lowering: { customOperators },
});

/** A graph as it runs, and the place of its file. */
interface Written {
  graph: Graph;
  index: number;
}

/** Sessions on one kind of device; graphs that are equal are written once. */
export class Bindings {
  /** Packed. */
  readonly graphs: Uint8Array[] = [];
  private readonly indexOf: Map<string, number>;
  private readonly written = new WeakMap<Graph, Written>();

  constructor(
    private readonly layout: StoreLayout,
    private readonly kind: Kind,
    private readonly customOperators = customOps(),
  ) {
    this.indexOf = new Map(layout.tensors.map((tensor, index) => [tensor.name, index]));
  }

  /** Training session of one logical worker: gradients and new statistics go straight to its slab. */
  training(built: ModelGraph, worker: number): BoundGraph {
    const outputs = built.outputs.map((port): SessionOutput => {
      return { port: port.port, shape: port.shape, target: 'slab', offset: this.offset(port, worker) };
    });
    const carried = (built.carried ?? []).map((port): SessionInput => {
      const { shape } = port;
      const offset = this.offset(port, worker);
      return { port: port.port, shape, source: 'slab', tensor: this.index(port), rows: rowsOf(port), offset };
    });
    const draws = (built.draws ?? []).map(({ port, shape, index, drop }): SessionInput => ({
      port,
      shape,
      source: 'draw',
      draw: { index, drop },
    }));
    const publishes = this.customOperators && this.kind === 'cuda';
    const written = this.write(built.graph, publishes);
    return this.session(
      built,
      written,
      worker,
      [...this.values(built, 'values'), ...carried, ...draws],
      [...outputs, { port: 'loss', shape: [], target: 'loss' }, ...unread(written.graph)],
    );
  }

  /** Full network with the store's own statistics, or the re-estimated ones. */
  evaluation(built: ModelGraph, reestimated: boolean): BoundGraph {
    const outputs = (['loss', 'logits'] as const).map((port): SessionOutput => {
      const { value } = built.graph.outputs.find(({ name }) => name === port)!;
      return { port, shape: [...value.shape], target: port };
    });
    const inputs = this.values(built, reestimated ? 'statistics' : 'values');
    return this.session(built, this.write(built.graph), undefined, inputs, outputs);
  }

  /** Full network in training mode, for the statistics of one training micro-batch. */
  statistics(built: ModelGraph): BoundGraph {
    const outputs = built.outputs.map((port): SessionOutput => ({
      port: port.port,
      shape: port.shape,
      target: 'statistics',
      tensor: this.index(port),
    }));
    return this.session(built, this.write(built.graph), undefined, this.values(built, 'values'), outputs);
  }

  /** `publishes`: gradients go up as they are finished. */
  private write(built: Graph, publishes = false): Written {
    const found = this.written.get(built);
    if (found) return found;
    const graph = publishes ? verify(publishGradients(built)) : built;
    const index = this.graphs.push(packGraph(toOnnx(graph, { withoutExtents: this.kind === 'cpu' }))) - 1;
    const written = { graph, index };
    this.written.set(built, written);
    return written;
  }

  private session(
    { batch }: ModelGraph,
    { graph, index }: Written,
    worker: number | undefined,
    inputs: SessionInput[],
    outputs: SessionOutput[],
  ): BoundGraph {
    const feeds = (['input', 'label'] as const).flatMap((port): SessionInput[] => {
      const value = graph.inputs.find(({ name }) => name === port);
      return value ? [{ port, shape: [...value.shape], source: port }] : [];
    });
    return { graph: index, worker, batch, inputs: [...feeds, ...inputs], outputs };
  }

  private values(built: ModelGraph, buffers: 'values' | 'statistics'): SessionInput[] {
    return built.inputs.map((port) => {
      const tensor = this.index(port);
      const source = this.layout.tensors[tensor]!.kind === 'buffer' ? buffers : 'values';
      return { port: port.port, shape: port.shape, source, tensor, rows: rowsOf(port) };
    });
  }

  /** Where a tensor lies in the slab of a worker. */
  private offset(port: TensorPort, worker: number): number {
    const offset = slabOffset(this.layout.tensors[this.index(port)]!, worker);
    if (offset === null) throw new Error(`${port.port} is for worker ${worker}, which does not hold ${port.tensor}`);
    return offset;
  }

  private index(port: TensorPort): number {
    const index = this.indexOf.get(port.tensor);
    if (index === undefined) throw new Error(`${port.tensor} is not in the store layout`);
    return index;
  }
}

/** The list itself: sessions share it, and nobody changes it. */
const rowsOf = ({ rows }: TensorPort) => (rows ?? undefined) as number[] | undefined;

const unread = (graph: Graph): SessionOutput[] =>
  graph.outputs
    .filter(({ name }) => name.startsWith(publishedPrefix))
    .map(({ name, value }) => ({ port: name, shape: [...value.shape], target: 'none' }));
