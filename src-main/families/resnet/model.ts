// ResNet of basic blocks (torchvision's resnet18, resnet34 and any other depth, width, stem and image) as a model of SDP.
//
// Under forward masking a graph reads what is held only; under backward masking it reads the whole network, and computes gradients and
// new statistics of what is held. Checked against the resnet-* reference cases in resnet.test.ts.

import { GraphBuilder, sizeOf, type Graph, type Value } from '../../graph/graph.ts';
import { mul } from '../../graph/ops/elementwise.ts';
import { removeDeadCode } from '../../graph/passes/deadCode.ts';
import { verify } from '../../graph/verify.ts';
import { gradientOutputs } from '../../models/backward.ts';
import {
  normalizeBatch,
  normalizeRunning,
  updateRunning,
  type Affine,
  type LayerStatistics,
} from '../../models/batchNorm.ts';
import { Draws } from '../../models/draws.ts';
import { finish, pickHeld } from '../../models/finish.ts';
import { labelInput, maskedLoss, meanLoss } from '../../models/loss.ts';
import {
  batchAxes,
  heldRows,
  type FullNetworkOptions,
  type Granularity,
  type Held,
  type Masking,
  type ModelDefinition,
  type ModelGraph,
  type NeuronGroup,
  type TensorPort,
  type TensorSpec,
  type TrainingOptions,
} from '../../models/model.ts';
import { outputPort, Ports } from '../../models/ports.ts';
import type { ResNetSpec } from './config.ts';
import { resnetLogits, type Layers } from './forward.ts';
import { resnetHuggingFace, resnetTimm } from './libraries.ts';
import { resnetBlocks, resnetTensors } from './tensors.ts';

export function createResNet(spec: ResNetSpec): ModelDefinition {
  const model = new ResNet(spec);
  return {
    family: 'resnet',
    reads: 'images',
    tensors: model.tensors,
    blocks: model.blocks,
    groups: model.groups,
    sample: model.sample,
    classes: spec.classes,
    constants: [],
    sampleBytes: 4 * sizeOf(model.sample) + 8,
    branchOutputs: model.blocks.flatMap((block) => [`${block}.bn2.weight`, `${block}.bn2.bias`]),
    training: (options) => model.training(options),
    evaluation: (options) => model.evaluation(options),
    statistics: (options) => model.statistics(options),
    inference: () => model.inference(),
    timm: () => resnetTimm(spec),
    huggingFace: () => resnetHuggingFace(spec),
  };
}

class ResNet {
  readonly tensors: TensorSpec[];
  readonly blocks: string[];
  readonly groups: NeuronGroup[];
  readonly sample: number[];

  constructor(private readonly spec: ResNetSpec) {
    const blocks = resnetBlocks(spec);
    this.tensors = resnetTensors(spec);
    this.blocks = blocks.map((block) => block.id);
    this.groups = blocks.map(({ id, channels }) => ({ id: `${id}/channels`, size: channels }));
    this.sample = [spec.channels, ...spec.image];
  }

  training(options: TrainingOptions): ModelGraph {
    const { batch, granularity, masking, held } = options;
    const g = new GraphBuilder('training');
    const draws = new Draws(g, this.blocks, options);
    const heldOf = (tensor: TensorSpec) => heldRows(tensor, granularity, held);
    // Running statistics are read only to be updated, so only where they are held, whatever the masking.
    const ports = new Ports(g, this.tensors, granularity, (t) =>
      masking === 'forward' || t.kind === 'buffer' ? heldOf(t) : null,
    );
    const [images, label] = this.feeds(g, batch, options.softLabels);
    const statistics = new Map<string, LayerStatistics>();
    const layers = this.layers(g, ports, 1, (layer, x, affine) =>
      normalizeBatch(g, x, affine, (s) => statistics.set(layer, s)),
    );
    layers.innerChannels = (block) => innerChannels(block, granularity, masking, held, ports);
    layers.branch = (block, x, output) => draws.branch(block, x, output);
    layers.features = (x) => draws.features(x);
    const loss = meanLoss(g, resnetLogits(this.spec, layers, images), label);

    const outputs = gradientOutputs(g, ports, loss, this.tensors, { granularity, masking, held });
    for (const tensor of this.tensors.filter((t) => t.kind === 'buffer' && heldOf(t)?.length !== 0)) {
      const statistic = pickHeld(g, batchStatistic(statistics, tensor.name), heldOf(tensor), masking);
      const updated = updateRunning(g, ports.input(tensor.name), statistic);
      outputs.push(outputPort(g, `stat/${tensor.name}`, tensor, heldOf(tensor), updated));
    }
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs, draws: draws.ports };
  }

  evaluation(options: FullNetworkOptions): ModelGraph {
    const { batch, granularity, branchScale } = options;
    const g = new GraphBuilder('evaluation');
    const ports = new Ports(g, this.tensors, granularity, () => null);
    const [images, label] = this.feeds(g, batch);
    const logits = resnetLogits(this.spec, this.runningLayers(g, ports, branchScale), images);
    g.output('loss', maskedLoss(g, logits, label));
    g.output('logits', logits);
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs: [] };
  }

  statistics(options: FullNetworkOptions): ModelGraph {
    const { batch, granularity, branchScale } = options;
    const g = new GraphBuilder('statistics');
    const ports = new Ports(g, this.tensors, granularity, () => null);
    const images = g.input('input', 'float32', [batch, ...this.sample]);
    const statistics = new Map<string, LayerStatistics>();
    const layers = this.layers(g, ports, branchScale, (layer, x, affine) =>
      normalizeBatch(g, x, affine, (s) => statistics.set(layer, s)),
    );
    resnetLogits(this.spec, layers, images);
    const outputs = this.tensors
      .filter((tensor) => tensor.kind === 'buffer')
      .map((tensor) => outputPort(g, `stat/${tensor.name}`, tensor, null, batchStatistic(statistics, tensor.name)));
    return { ...pruneInputs(finish(g.build(), options), ports.inputs), batch, outputs };
  }

  inference(): ModelGraph {
    const g = new GraphBuilder('resnet');
    const ports = new Ports(g, this.tensors, 'block', () => null);
    const images = g.input('input', 'float32', [1, ...this.sample]);
    g.output('logits', resnetLogits(this.spec, this.runningLayers(g, ports, 1), images));
    const graph = verify(removeDeadCode(g.build()));
    return { graph, batch: 1, inputs: ports.inputs, outputs: [], dynamicAxes: batchAxes };
  }

  private feeds(g: GraphBuilder, batch: number, softLabels = false): [Value, Value] {
    const images = g.input('input', 'float32', [batch, ...this.sample]);
    return [images, labelInput(g, batch, this.spec.classes, softLabels)];
  }

  private runningLayers(g: GraphBuilder, ports: Ports, branchScale: number): Layers {
    return this.layers(g, ports, branchScale, (layer, x, affine) =>
      normalizeRunning(g, x, affine, ports.input(`${layer}.running_mean`), ports.input(`${layer}.running_var`)),
    );
  }

  /** Layers over the whole network; residual branches end in their bn2, whose affine is multiplied by `branchScale`. */
  private layers(
    g: GraphBuilder,
    ports: Ports,
    branchScale: number,
    normalize: (layer: string, x: Value, affine: Affine) => Value,
  ): Layers {
    const scaled = (layer: string, value: Value) =>
      branchScale !== 1 && layer.endsWith('.bn2') ? mul(g, value, g.scalar(branchScale)) : value;
    const affine = (layer: string): Affine => ({
      weight: scaled(layer, ports.input(`${layer}.weight`)),
      bias: scaled(layer, ports.input(`${layer}.bias`)),
    });
    return {
      g,
      parameter: (name) => ports.value(name),
      normalize: (layer, x) => normalize(layer, x, affine(layer)),
      innerChannels: (block) => ports.spec(`${block}.conv1.weight`).shape[0]!,
      branch: (_block, _x, output) => output,
      features: (x) => x,
    };
  }
}

function innerChannels(
  block: string,
  granularity: Granularity,
  masking: Masking,
  held: Held,
  ports: Ports,
): number | null {
  const conv1 = ports.spec(`${block}.conv1.weight`);
  if (masking === 'backward') return conv1.shape[0]!;
  if (granularity === 'block') return held.blocks.includes(block) ? conv1.shape[0]! : null;
  return heldRows(conv1, granularity, held)?.length ?? conv1.shape[0]!;
}

function batchStatistic(statistics: ReadonlyMap<string, LayerStatistics>, buffer: string): Value {
  const [layer, kind] = [buffer.slice(0, buffer.lastIndexOf('.')), buffer.slice(buffer.lastIndexOf('.') + 1)];
  const found = statistics.get(layer);
  if (!found) throw new Error(`${layer} was not normalised`);
  return kind === 'running_mean' ? found.mean : found.variance;
}

/** Drops inputs that nothing reads (the classifier, where only statistics are asked for). */
function pruneInputs(graph: Graph, ports: TensorPort[]): { graph: Graph; inputs: TensorPort[] } {
  const read = new Set(graph.nodes.flatMap((node) => node.inputs.map((input) => input.name)));
  return {
    graph: { ...graph, inputs: graph.inputs.filter((input) => read.has(input.name)) },
    inputs: ports.filter((p) => read.has(p.port)),
  };
}
