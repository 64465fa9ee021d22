// What transformers over images have in common: graphs around a forward pass from images to logits, and the layers it consists of.
//
// Under forward masking a graph reads what is held only; under backward masking it reads the whole network and computes gradients of what
// is held. There are no statistics.

import { GraphBuilder, sizeOf, type Value } from '../graph/graph.ts';
import { add, mul } from '../graph/ops/elementwise.ts';
import { gelu } from '../graph/ops/gelu.ts';
import { layerNorm } from '../graph/ops/layerNorm.ts';
import { gemm } from '../graph/ops/linalg.ts';
import { reshape } from '../graph/ops/reshape.ts';
import { gradientOutputs } from './backward.ts';
import { Draws } from './draws.ts';
import { finish } from './finish.ts';
import { labelInput, maskedLoss, meanLoss } from './loss.ts';
import {
  batchAxes,
  heldRows,
  type FullNetworkOptions,
  type ModelDefinition,
  type ModelGraph,
  type NeuronGroup,
  type TensorSpec,
  type TrainingOptions,
} from './model.ts';
import { Ports } from './ports.ts';

/** How the forward pass gets its tensors, and what of the network is there. */
export interface Layers {
  g: GraphBuilder;
  /** A parameter in library layout, cut down to what is held. */
  parameter(name: string): Value;
  /** Whether the graph has a block at all. */
  hasBlock(block: string): boolean;
  /** Units that the graph has of `<block>/heads` or `<block>/mlp`. */
  units(group: string): number;
  /** The output of residual branch 0 or 1 of a block as it is added to x, and the features as they are classified: places where training drops. */
  branch(block: string, x: Value, output: Value, branch: number): Value;
  features(x: Value): Value;
}

export interface ImageTransformer {
  family: string;
  tensors: TensorSpec[];
  constants: ModelDefinition['constants'];
  /** Every block has the groups `<block>/heads` and `<block>/mlp`. */
  blocks: string[];
  groups: NeuronGroup[];
  /** [C,H,W] */
  sample: number[];
  classes: number;
  /** Layers that end the two branches of a block, such as `attn.proj`. */
  branchEnds: readonly [string, string];
  /** [B,C,H,W] to [B,K]. */
  logits(layers: Layers, images: Value): Value;
  timm: NonNullable<ModelDefinition['timm']>;
  huggingFace: NonNullable<ModelDefinition['huggingFace']>;
}

export function createImageTransformer(parts: ImageTransformer): ModelDefinition {
  const model = new Graphs(parts);
  const { family, tensors, constants, blocks, groups, sample, classes, timm, huggingFace } = parts;
  return {
    family,
    reads: 'images',
    tensors,
    blocks,
    groups,
    sample,
    classes,
    sampleBytes: 4 * sizeOf(sample) + 8,
    constants,
    branchOutputs: model.branchOutputs,
    training: (options) => model.training(options),
    evaluation: (options) => model.evaluation(options),
    statistics: () => {
      throw new Error(`a model of the family ${family} has no statistics to estimate`);
    },
    inference: () => model.inference(),
    timm,
    huggingFace,
  };
}

class Graphs {
  /** The last affine of both branches of every block. */
  readonly branchOutputs: string[];

  constructor(private readonly parts: ImageTransformer) {
    this.branchOutputs = parts.blocks.flatMap((block) =>
      parts.branchEnds.flatMap((layer) => [`${block}.${layer}.weight`, `${block}.${layer}.bias`]),
    );
  }

  training(options: TrainingOptions): ModelGraph {
    const { batch, granularity, masking, held } = options;
    const { tensors, blocks } = this.parts;
    const g = new GraphBuilder('training');
    const draws = new Draws(g, blocks, options);
    const forward = masking === 'forward';
    const narrow = forward && granularity === 'neuron';
    const ports = new Ports(g, tensors, granularity, (tensor) =>
      forward ? heldRows(tensor, granularity, held) : null,
    );
    const [images, label] = this.feeds(g, batch, options.softLabels);
    const layers: Layers = {
      ...this.layers(g, ports, 1),
      hasBlock: (block) => !forward || granularity === 'neuron' || held.blocks.includes(block),
      units: (group) => (narrow ? held.neurons[group]?.length : undefined) ?? this.unitsOf(group),
      branch: (block, x, output, branch) => draws.branch(block, x, output, branch),
      features: (x) => draws.features(x),
    };
    const loss = meanLoss(g, this.parts.logits(layers, images), label);
    const outputs = gradientOutputs(g, ports, loss, tensors, { granularity, masking, held });
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs, draws: draws.ports };
  }

  evaluation(options: FullNetworkOptions): ModelGraph {
    const { batch, granularity, branchScale } = options;
    const g = new GraphBuilder('evaluation');
    const ports = new Ports(g, this.parts.tensors, granularity, () => null);
    const [images, label] = this.feeds(g, batch);
    const logits = this.parts.logits(this.layers(g, ports, branchScale), images);
    g.output('loss', maskedLoss(g, logits, label));
    g.output('logits', logits);
    return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs: [] };
  }

  inference(): ModelGraph {
    const g = new GraphBuilder(this.parts.family);
    const ports = new Ports(g, this.parts.tensors, 'block', () => null);
    const images = g.input('input', 'float32', [1, ...this.parts.sample]);
    g.output('logits', this.parts.logits(this.layers(g, ports, 1), images));
    const graph = finish(g.build(), { provider: 'any' });
    return { graph, batch: 1, inputs: ports.inputs, outputs: [], dynamicAxes: batchAxes };
  }

  private feeds(g: GraphBuilder, batch: number, softLabels = false): [Value, Value] {
    const images = g.input('input', 'float32', [batch, ...this.parts.sample]);
    return [images, labelInput(g, batch, this.parts.classes, softLabels)];
  }

  /** Layers over the whole network; the outputs of residual branches are multiplied by `branchScale`. */
  private layers(g: GraphBuilder, ports: Ports, branchScale: number): Layers {
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
    const group = this.parts.groups.find((candidate) => candidate.id === id);
    if (!group) throw new Error(`the model has no group ${id}`);
    return group.size;
  }
}

export interface BlockParts {
  /** Names of its two norms, and of the layers that end its two branches. */
  norms: readonly [string, string];
  ends: readonly [string, string];
  epsilon: number;
  /** Attention over normalised tokens, ending in `ends[0]`. */
  attention(x: Value): Value;
}

/** x + attention(norm(x)), then the same with the MLP, whose layers are `mlp.0` and `mlp.3`. A branch of which no unit is there is its output bias. */
export function transformerBlock(layers: Layers, block: string, parts: BlockParts, x: Value): Value {
  const { g } = layers;
  const { norms, ends, epsilon } = parts;
  const attended =
    layers.units(`${block}/heads`) === 0
      ? layers.parameter(`${block}.${ends[0]}.bias`)
      : parts.attention(normalize(layers, `${block}.${norms[0]}`, x, epsilon));
  const between = add(g, x, layers.branch(block, x, attended, 0));
  const fed =
    layers.units(`${block}/mlp`) === 0
      ? layers.parameter(`${block}.${ends[1]}.bias`)
      : mlp(block, layers, normalize(layers, `${block}.${norms[1]}`, between, epsilon));
  return add(g, between, layers.branch(block, between, fed, 1));
}

function mlp(block: string, layers: Layers, x: Value): Value {
  const { g } = layers;
  g.scope = `${block}.mlp`;
  const rows = reshape(g, x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
  const hidden = gelu(g, linear(layers, `${block}.mlp.0`, rows));
  return reshape(g, linear(layers, `${block}.mlp.3`, hidden), x.shape);
}

/** Rows [N,in] to [N,out]. `names`: of weight and bias, where these are not `<layer>.weight` and `<layer>.bias`. */
export const linear = (layers: Layers, layer: string, rows: Value, names = ['.weight', '.bias']): Value =>
  gemm(
    layers.g,
    rows,
    layers.parameter(`${layer}${names[0]}`),
    { transA: 0, transB: 1 },
    layers.parameter(`${layer}${names[1]}`),
  );

export function normalize(layers: Layers, layer: string, x: Value, epsilon: number): Value {
  layers.g.scope = layer;
  return layerNorm(layers.g, x, layers.parameter(`${layer}.weight`), layers.parameter(`${layer}.bias`), epsilon);
}
