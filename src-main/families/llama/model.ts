// LLaMA-style language models (RMSNorm, rotary embedding, grouped-query attention, SwiGLU) as a model of SDP.
//
// Under forward masking a graph reads what is held only; under backward masking it reads the whole network, and computes weight gradients of
// what is held. Checked against the llama-* reference cases in replay/replay.process.test.ts.

import { differentiate } from '../../graph/autodiff.ts';
import { GraphBuilder, type Value } from '../../graph/graph.ts';
import { gemm } from '../../graph/ops/linalg.ts';
import { reshape } from '../../graph/ops/reshape.ts';
import { reduceMean } from '../../graph/ops/reduction.ts';
import { linearCrossEntropy } from '../../graph/ops/tokenLoss.ts';
import { Draws } from '../../models/draws.ts';
import { finish, pickHeld } from '../../models/finish.ts';
import { maskedLoss } from '../../models/loss.ts';
import type { LlamaSpec } from './config.ts';
import { llamaHidden, type LlamaLayers } from './forward.ts';
import { llamaGguf } from './gguf.ts';
import { llamaDecoding, llamaInference } from './inference.ts';
import { pretrainedConfig } from './pretrained.ts';
import { headName, llamaBlocks, llamaGroups, llamaTensors } from './tensors.ts';
import {
  heldRows,
  storeAxis,
  type FullNetworkOptions,
  type Granularity,
  type ModelDefinition,
  type ModelGraph,
  type TensorSpec,
  type TrainingOptions,
} from '../../models/model.ts';
import { outputPort, Ports } from '../../models/ports.ts';

export function createLlama(spec: LlamaSpec): ModelDefinition {
  const tensors = llamaTensors(spec);
  const blocks = llamaBlocks(spec);
  return {
    family: 'llama',
    reads: 'tokens',
    tensors,
    blocks,
    groups: llamaGroups(spec),
    sample: [spec.seq],
    classes: spec.vocab,
    constants: [],
    sampleBytes: 2 * 8 * spec.seq,
    branchOutputs: blocks.flatMap((block) => [`${block}.self_attn.o_proj.weight`, `${block}.mlp.down_proj.weight`]),
    training: (options) => training(spec, tensors, options),
    evaluation: (options) => evaluation(spec, tensors, options),
    statistics: () => {
      throw new Error('a LLaMA model has no statistics');
    },
    pretrained: (end) => pretrainedConfig(spec, end),
    gguf: () => llamaGguf(spec),
    inference: () => llamaInference(spec, tensors),
    decoding: () => llamaDecoding(spec, tensors),
  };
}

function training(spec: LlamaSpec, tensors: TensorSpec[], options: TrainingOptions): ModelGraph {
  const { batch, granularity, masking, held } = options;
  const g = new GraphBuilder('training');
  const heldOf = (tensor: TensorSpec) => heldRows(tensor, granularity, held);
  const ports = new Ports(g, tensors, granularity, masking === 'forward' ? heldOf : () => null);
  const [tokens, label] = feeds(g, spec, batch);
  const layers = fullLayers(spec, g, ports, granularity);
  if (masking === 'forward') {
    layers.hasBlock = (block) => granularity === 'neuron' || held.blocks.includes(block);
    layers.units = (group) => heldUnits(spec, group, granularity === 'neuron' ? held.neurons[group] : undefined);
  }
  layers.featuresFirst = masking === 'backward' && granularity === 'neuron';
  const draws = new Draws(g, llamaBlocks(spec), options);
  layers.branch = (block, x, output, branch) => draws.branch(block, x, output, branch);
  layers.features = (x) => draws.features(x);
  const hidden = rowsOf(g, llamaHidden(spec, layers, tokens));
  const losses = linearCrossEntropy(g, hidden, layers.weight(headName(spec)), rowsOf(g, label));
  const loss = reduceMean(g, losses, [0], false);

  const present = tensors.filter((tensor) => heldOf(tensor)?.length !== 0);
  const inputs = present.map((tensor) => ports.input(tensor.name));
  const gradients = differentiate(g, loss, inputs, 'zero');
  g.output('loss', loss);
  const outputs = present.map((tensor, i) => {
    const gradient = pickHeld(g, gradients[i]!, heldOf(tensor), masking);
    return outputPort(g, `grad/${tensor.name}`, tensor, heldOf(tensor), gradient);
  });
  return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs, draws: draws.ports };
}

function evaluation(spec: LlamaSpec, tensors: TensorSpec[], options: FullNetworkOptions): ModelGraph {
  const { batch, granularity, branchScale } = options;
  const g = new GraphBuilder('evaluation');
  const ports = new Ports(g, tensors, granularity, () => null);
  const [tokens, label] = feeds(g, spec, batch);
  const layers = fullLayers(spec, g, ports, granularity);
  layers.branchScale = branchScale;
  const hidden = rowsOf(g, llamaHidden(spec, layers, tokens));
  const logits = gemm(g, hidden, layers.weight(headName(spec)), { transA: 0, transB: 1 });
  g.scope = 'loss';
  g.output('loss', maskedLoss(g, logits, rowsOf(g, label)));
  g.output('logits', logits);
  return { graph: finish(g.build(), options), batch, inputs: ports.inputs, outputs: [] };
}

function feeds(g: GraphBuilder, { seq }: LlamaSpec, batch: number): [Value, Value] {
  return [g.input('input', 'int64', [batch, seq]), g.input('label', 'int64', [batch, seq])];
}

/** [B,T,...] as [BT,...]. */
function rowsOf(g: GraphBuilder, x: Value): Value {
  const [batch, positions, ...rest] = x.shape as [number, number, ...number[]];
  return reshape(g, x, [batch * positions, ...rest]);
}

/** Layers over the whole network. */
function fullLayers(spec: LlamaSpec, g: GraphBuilder, ports: Ports, granularity: Granularity): LlamaLayers {
  return {
    g,
    weight: (name) => ports.input(name),
    linear(x, layer) {
      const name = `${layer}.weight`;
      const weight = ports.input(name);
      const transB = storeAxis(ports.spec(name), granularity) === 1 ? 0 : 1;
      const product = gemm(g, rowsOf(g, x), weight, { transA: 0, transB });
      return reshape(g, product, [...x.shape.slice(0, 2), product.shape[1]!]);
    },
    hasBlock: () => true,
    units: (group) => heldUnits(spec, group, undefined),
    branchScale: 1,
    featuresFirst: false,
    branch: (_block, _x, output) => output,
    features: (x) => x,
  };
}

/** Number of units of a group: those listed, or all. */
const heldUnits = (spec: LlamaSpec, group: string, units: readonly number[] | undefined): number =>
  units?.length ?? (group.endsWith('/heads') ? spec.kvHeads : spec.ff);
