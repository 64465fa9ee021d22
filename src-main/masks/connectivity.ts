// Whether averaging mixes all workers: the bipartite graph of workers and units is connected.

import type { Masks, ModelDefinition } from '../models/model.ts';

export function isConnected(model: Pick<ModelDefinition, 'blocks' | 'groups'>, masks: Masks): boolean {
  return numComponents(unitHolders(model, masks), masks.held.length) === 1;
}

/** Number of sets of workers that share units, if only through others. */
export function numComponents(holdersOfUnits: readonly (readonly number[])[], numWorkers: number): number {
  const parent = Array.from({ length: numWorkers }, (_, worker) => worker);
  const root = (worker: number): number =>
    parent[worker] === worker ? worker : (parent[worker] = root(parent[worker]!));
  for (const holders of holdersOfUnits) for (const worker of holders) parent[root(worker)] = root(holders[0]!);
  return parent.filter((above, worker) => above === worker).length;
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
