// What any family's training graph can be turned into: one that recomputes the inside of blocks, and one that goes on from the micro-batch
// before.

import { accumulateGradients } from '../graph/passes/accumulate.ts';
import { recomputeBlocks } from '../graph/passes/recompute.ts';
import { verify } from '../graph/verify.ts';
import { UserError } from '../contract/errors.ts';
import type { DrawPort, ModelDefinition, ModelGraph, TrainingOptions } from './model.ts';

/** What the training graphs of all workers have besides their masks. */
export type TrainingGraph = Required<
  Pick<TrainingOptions, 'recompute' | 'accumulate' | 'dropout' | 'stochasticDepth' | 'softLabels'>
>;

export const plainTraining: TrainingGraph = {
  recompute: false,
  accumulate: false,
  dropout: 0,
  stochasticDepth: 0,
  softLabels: false,
};

/** The training graph of a family, with the options that are the same for all families. */
export function trainingGraph(family: ModelDefinition, options: TrainingOptions): ModelGraph {
  let built = family.training(options);
  requireDraws(family, built, 'dropout', options.dropout);
  requireDraws(family, built, 'stochasticDepth', options.stochasticDepth);
  if (options.accumulate) built = accumulating(family, built);
  if (options.recompute) built = { ...built, graph: recomputing(family, built) };
  return built;
}

function recomputing({ blocks }: ModelDefinition, { graph }: ModelGraph): ModelGraph['graph'] {
  const loss = graph.outputs.find(({ name }) => name === 'loss')!.value;
  return verify(recomputeBlocks(graph, loss, (output) => output.startsWith('grad/'), blocks));
}

/** Gradients are added to those before, and running statistics are read where the micro-batch before has left them. */
function accumulating({ tensors }: ModelDefinition, built: ModelGraph): ModelGraph {
  const buffers = new Set(tensors.filter(({ kind }) => kind === 'buffer').map(({ name }) => name));
  const gradients = built.outputs
    .filter(({ tensor }) => !buffers.has(tensor))
    .map((output) => ({ ...output, port: `accumulated/${output.tensor}` }));
  return {
    ...built,
    graph: verify(accumulateGradients(built.graph)),
    inputs: built.inputs.filter(({ tensor }) => !buffers.has(tensor)),
    carried: [...gradients, ...built.inputs.filter(({ tensor }) => buffers.has(tensor))],
  };
}

/** A subnetwork may have no branch to drop; a whole network that has none is of a family without them. */
function requireDraws(family: ModelDefinition, built: ModelGraph, key: DrawPort['key'], probability = 0): void {
  if (probability === 0 || built.draws) return;
  throw new UserError('configuration', `training.${key} is not available for models of the family ${family.family}`, {
    key: `training.${key}`,
  });
}
