// Binds a model's graphs to the store: which tensor, rows and slab place each graph input and output is.

import type { DeviceSetup } from '../contract/deviceMessages.ts';
import { toOnnx } from '../graph/onnx.ts';
import { publishedPrefix, publishGradients } from '../graph/passes/publish.ts';
import { verify } from '../graph/verify.ts';
import { slabOffset, type StoreLayout } from '../memory/storeLayout.ts';
import type { ModelDefinition, ModelGraph, Target, TensorPort } from '../models/model.ts';
import type { SessionInput, SessionOutput, SessionSpec } from '../native.ts';

/** The custom operators of CUDA have run on no card yet, so they have to be asked for. */
export const customOps = () => process.env.SDP_CUDA_CUSTOM_OPS === '1';

export class Bindings {
  private readonly indexOf: Map<string, number>;

  constructor(
    readonly model: ModelDefinition,
    private readonly setup: DeviceSetup,
    private readonly layout: StoreLayout,
    private readonly customOperators = customOps(),
  ) {
    this.indexOf = new Map(layout.tensors.map((tensor, index) => [tensor.name, index]));
  }

  /** Training session of one logical worker: gradients and new statistics go straight to its slab. */
  training(worker: number): SessionSpec {
    const { granularity, masking, held } = this.setup.masks;
    const { microBatch: batch, trainingGraph } = this.setup;
    const built = this.publishing(
      this.model.training({ batch, granularity, masking, held: held[worker]!, ...this.target(), ...trainingGraph }),
    );
    const outputs = built.outputs.map((port): SessionOutput => {
      return { port: port.port, shape: port.shape, target: 'slab', offset: this.offset(port, worker) };
    });
    const carried = (built.carried ?? []).map((port): SessionInput => {
      const { shape, rows } = port;
      const offset = this.offset(port, worker);
      return { port: port.port, shape, source: 'slab', tensor: this.index(port), rows: rows ?? undefined, offset };
    });
    const draws = (built.draws ?? []).map(({ port, shape, index, drop }): SessionInput => ({
      port,
      shape,
      source: 'draw',
      draw: { index, drop },
    }));
    return this.session(
      built,
      worker,
      [...this.values(built, 'values'), ...carried, ...draws],
      [...outputs, { port: 'loss', shape: [], target: 'loss' }, ...unread(built)],
    );
  }

  /** Full network with the store's own statistics, or the re-estimated ones. */
  evaluation(reestimated: boolean): SessionSpec {
    const { batch, branchScale } = this.setup.evaluation;
    const { granularity } = this.setup.masks;
    const built = this.model.evaluation({ batch, branchScale, granularity, ...this.target() });
    const outputs = (['loss', 'logits'] as const).map((port): SessionOutput => {
      const { value } = built.graph.outputs.find(({ name }) => name === port)!;
      return { port, shape: [...value.shape], target: port };
    });
    return this.session(built, -1, this.values(built, reestimated ? 'statistics' : 'values'), outputs);
  }

  /** Full network in training mode, for the statistics of one training micro-batch. */
  statistics(): SessionSpec {
    const { granularity } = this.setup.masks;
    const built = this.model.statistics({
      batch: this.setup.microBatch,
      branchScale: this.setup.evaluation.branchScale,
      granularity,
      ...this.target(),
    });
    const outputs = built.outputs.map((port): SessionOutput => ({
      port: port.port,
      shape: port.shape,
      target: 'statistics',
      tensor: this.index(port),
    }));
    return this.session(built, -1, this.values(built, 'values'), outputs);
  }

  private target(): Target {
    return { provider: this.setup.device.kind, lowering: { customOperators: this.customOperators } };
  }

  /** On CUDA gradients go up as they are finished. */
  private publishing(built: ModelGraph): ModelGraph {
    const publishes = this.customOperators && this.setup.device.kind === 'cuda';
    return publishes ? { ...built, graph: verify(publishGradients(built.graph)) } : built;
  }

  private session(built: ModelGraph, worker: number, inputs: SessionInput[], outputs: SessionOutput[]): SessionSpec {
    const feeds = (['input', 'label'] as const).flatMap((port): SessionInput[] => {
      const value = built.graph.inputs.find(({ name }) => name === port);
      return value ? [{ port, shape: [...value.shape], source: port }] : [];
    });
    const onnx = toOnnx(built.graph, { withoutExtents: this.setup.device.kind === 'cpu' });
    return { onnx, worker, batch: built.batch, inputs: [...feeds, ...inputs], outputs };
  }

  private values(built: ModelGraph, buffers: 'values' | 'statistics'): SessionInput[] {
    return built.inputs.map((port) => {
      const tensor = this.index(port);
      const source = this.layout.tensors[tensor]!.kind === 'buffer' ? buffers : 'values';
      return { port: port.port, shape: port.shape, source, tensor, rows: port.rows ?? undefined };
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

const unread = ({ graph }: ModelGraph): SessionOutput[] =>
  graph.outputs
    .filter(({ name }) => name.startsWith(publishedPrefix))
    .map(({ name, value }) => ({ port: name, shape: [...value.shape], target: 'none' }));
