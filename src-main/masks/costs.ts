// What a unit costs the worker that holds it: the difference between the training graph of the full network and that without the unit.
//
// FLOPs of a step, and bytes at the peak: intermediates (graph/liveness.ts) with the unit's weights and gradients. Both as shares of the full
// network's. Under neuron granularity the cost of a group is that of one of its neurons, which are all alike.

import { graphFlops } from '../graph/flops.ts';
import { liveness } from '../graph/liveness.ts';
import type { Granularity, Held, Masking, ModelDefinition, TensorSpec } from '../models/model.ts';
import type { Cost } from './balance.ts';

export type CostedModel = Pick<ModelDefinition, 'blocks' | 'groups' | 'tensors' | 'training'>;

export interface CostOptions {
  granularity: Granularity;
  masking: Masking;
  /** Samples of one worker and step. */
  batch: number;
}

/** Costs of the blocks, or of one neuron of each group. */
export function unitCosts(model: CostedModel, options: CostOptions): Cost[] {
  const full = graphCost(model, options, { blocks: model.blocks, neurons: {} });
  const scalars = parameterScalars(model.tensors);
  const total: Cost = [full[0], full[1] + bytesPerScalar * scalars(() => true)];
  const share = (without: Cost, held: number): Cost => [
    (full[0] - without[0]) / total[0],
    (full[1] - without[1] + bytesPerScalar * held) / total[1],
  ];
  if (options.granularity === 'block')
    return model.blocks.map((block) => {
      const held: Held = { blocks: model.blocks.filter((other) => other !== block), neurons: {} };
      return share(
        graphCost(model, options, held),
        scalars((tensor) => tensor.block === block),
      );
    });
  return model.groups.map(({ id, size }) => {
    const neurons = Array.from({ length: size - 1 }, (_, index) => index);
    return share(
      graphCost(model, options, { blocks: model.blocks, neurons: { [id]: neurons } }),
      scalars((tensor) => tensor.neurons?.group === id) / size,
    );
  });
}

/** A float32 weight and its gradient. */
const bytesPerScalar = 8;

/** FLOPs and peak bytes of the intermediates of a training graph. */
function graphCost(model: CostedModel, options: CostOptions, held: Held): Cost {
  const { graph } = model.training({ ...options, held });
  return [graphFlops(graph), liveness(graph).peakBytes];
}

const parameterScalars = (tensors: readonly TensorSpec[]) => (chosen: (tensor: TensorSpec) => boolean) =>
  tensors
    .filter((tensor) => tensor.kind === 'parameter' && chosen(tensor))
    .reduce((sum, { shape }) => sum + shape.reduce((size, extent) => size * extent, 1), 0);
