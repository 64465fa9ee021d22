// Swin Transformer (torchvision's swin_t and any other sizes) as a model of SDP.
//
// Under forward masking a graph reads what is held only; under backward masking it reads the whole network and computes gradients of what
// is held. There are no statistics. Checked against the swin-* reference cases in swin.test.ts.

import { GraphBuilder, sizeOf, type Value } from '../../graph/graph.ts';
import { mul } from '../../graph/ops/elementwise.ts';
import { gradientOutputs } from '../../models/backward.ts';
import { Draws } from '../../models/draws.ts';
import { finish } from '../../models/finish.ts';
import { labelInput, maskedLoss, meanLoss } from '../../models/loss.ts';
import {
  heldRows,
  type FullNetworkOptions,
  type ModelDefinition,
  type ModelGraph,
  type NeuronGroup,
  type TensorSpec,
  type TrainingOptions,
} from '../../models/model.ts';
import { Ports } from '../../models/ports.ts';
import type { SwinSpec } from './config.ts';
import { swinLogits, type SwinLayers } from './forward.ts';
import { swinConstants, swinStages, swinTensors } from './tensors.ts';

export function createSwin(spec: SwinSpec): ModelDefinition {
  const model = new Swin(spec);
  return {
    family: 'swin',
    reads: 'images',
    tensors: model.tensors,
    blocks: model.blocks,
    groups: model.groups,
    sample: model.sample,
    classes: spec.classes,
    sampleBytes: 4 * sizeOf(model.sample) + 8,
    constants: swinConstants(spec),
    branchOutputs: model.branchOutputs,
    training: (options) => model.training(options),
    evaluation: (options) => model.evaluation(options),
    statistics: () => {
      throw new Error('a Swin Transformer has no statistics to estimate');
    },
    inference: () => model.inference(),
  };
}

class Swin {
  readonly tensors: TensorSpec[];
  readonly blocks: string[];
  readonly groups: NeuronGroup[];
  readonly sample: number[];
  /** The last affine of both branches of every block. */
  readonly branchOutputs: string[];

  constructor(private readonly spec: SwinSpec) {
    const stages = swinStages(spec);
    this.tensors = swinTensors(spec);
    this.blocks = stages.flatMap((stage) => stage.blocks);
    this.groups = stages.flatMap(({ blocks, heads, hidden }) =>
      blocks.flatMap((block) => [
        { id: `${block}/heads`, size: heads },
        { id: `${block}/mlp`, size: hidden },
      ]),
    );
    this.sample = [spec.channels, ...spec.image];
    this.branchOutputs = this.blocks.flatMap((block) =>
      ['attn.proj', 'mlp.3'].flatMap((layer) => [`${block}.${layer}.weight`, `${block}.${layer}.bias`]),
    );
  }

  training(options: TrainingOptions): ModelGraph {
    const { batch, granularity, masking, held } = options;
    const g = new GraphBuilder('training');
    const draws = new Draws(g, this.blocks, options);
    const forward = masking === 'forward';
    const narrow = forward && granularity === 'neuron';
    const ports = new Ports(g, this.tensors, granularity, (tensor) =>
      forward ? heldRows(tensor, granularity, held) : null,
    );
    const [images, label] = this.feeds(g, batch, options.softLabels);
    const layers: SwinLayers = {
      ...this.layers(g, ports, 1),
      hasBlock: (block) => !forward || granularity === 'neuron' || held.blocks.includes(block),
      units: (group) => (narrow ? held.neurons[group]?.length : undefined) ?? this.unitsOf(group),
      branch: (block, x, output, branch) => draws.branch(block, x, output, branch),
      features: (x) => draws.features(x),
    };
    const loss = meanLoss(g, swinLogits(this.spec, layers, images), label);
    const outputs = gradientOutputs(g, ports, loss, this.tensors, { granularity, masking, held });
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs, draws: draws.ports };
  }

  evaluation(options: FullNetworkOptions): ModelGraph {
    const { batch, granularity, branchScale } = options;
    const g = new GraphBuilder('evaluation');
    const ports = new Ports(g, this.tensors, granularity, () => null);
    const [images, label] = this.feeds(g, batch);
    const logits = swinLogits(this.spec, this.layers(g, ports, branchScale), images);
    g.output('loss', maskedLoss(g, logits, label));
    g.output('logits', logits);
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs: [] };
  }

  inference(): ModelGraph {
    const g = new GraphBuilder('swin');
    const ports = new Ports(g, this.tensors, 'block', () => null);
    const images = g.input('input', 'float32', [1, ...this.sample]);
    g.output('logits', swinLogits(this.spec, this.layers(g, ports, 1), images));
    return { graph: finish(g.build(), { provider: 'any' }), batch: 1, inputs: ports.inputs, outputs: [] };
  }

  private feeds(g: GraphBuilder, batch: number, softLabels = false): [Value, Value] {
    const images = g.input('input', 'float32', [batch, ...this.sample]);
    return [images, labelInput(g, batch, this.spec.classes, softLabels)];
  }

  /** Layers over the whole network; the outputs of residual branches are multiplied by `branchScale`. */
  private layers(g: GraphBuilder, ports: Ports, branchScale: number): SwinLayers {
    const scaled = new Set(branchScale === 1 ? [] : this.branchOutputs);
    return {
      g,
      parameter: (name) => (scaled.has(name) ? mul(g, ports.value(name), g.scalar(branchScale)) : ports.value(name)),
      hasBlock: () => true,
      units: (group) => this.unitsOf(group),
      branch: (_block, _x, output) => output,
      features: (x) => x,
    };
  }

  private unitsOf(id: string): number {
    const group = this.groups.find((candidate) => candidate.id === id);
    if (!group) throw new Error(`the model has no group ${id}`);
    return group.size;
  }
}
