// Whether averaging mixes all workers: the bipartite graph of workers and units is connected.

import type { Masks, ModelDefinition } from '../models/model.ts';

export function isConnected(model: Pick<ModelDefinition, 'blocks' | 'groups'>, masks: Masks): boolean {
  const parent = masks.held.map((_, worker) => worker);
  const root = (worker: number): number =>
    parent[worker] === worker ? worker : (parent[worker] = root(parent[worker]!));
  for (const holders of unitHolders(model, masks)) {
    for (const worker of holders) parent[root(worker)] = root(holders[0]!);
  }
  return parent.every((_, worker) => root(worker) === root(0));
}

/** Holders of every unit, in the order of blocks or of groups and their neurons. */
export function unitHolders(model: Pick<ModelDefinition, 'blocks' | 'groups'>, masks: Masks): number[][] {
  if (masks.granularity === 'block')
    return model.blocks.map((block) =>
      masks.held.flatMap((held, worker) => (held.blocks.includes(block) ? [worker] : [])),
    );
  return model.groups.flatMap((group) => {
    const holders: number[][] = Array.from({ length: group.size }, () => []);
    masks.held.forEach((held, worker) => {
      for (const unit of held.neurons[group.id] ?? holders.keys()) holders[unit]!.push(worker);
    });
    return holders;
  });
}
