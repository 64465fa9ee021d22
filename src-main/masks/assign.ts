// Masks by count: every unit is held by exactly k workers, and the numbers of units per worker differ by at most one.
//
// Units are taken in random order; each goes to the k workers that hold fewest so far, ties broken at random. Giving to the least
// loaded keeps the loads within one of each other. Under neuron granularity every group is assigned so by itself, so that every layer
// of a worker is narrowed alike. Draws are keyed by (seed, attempt): the same seed gives the same masks.

import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Granularity, Held, Masking, Masks, ModelDefinition } from '../models/model.ts';
import { isConnected } from './connectivity.ts';

export interface MaskOptions {
  numWorkers: number;
  /** Holders of each unit, k: 1 <= k <= numWorkers. */
  coverage: number;
  granularity: Granularity;
  masking: Masking;
  seed: number;
}

/** Draws at most so many times for masks whose graph of workers and units is connected; with one holder per unit none is. */
const attempts = 64;

export function assignMasks(model: Pick<ModelDefinition, 'blocks' | 'groups'>, options: MaskOptions): Masks {
  let first: Masks | undefined;
  const draws = options.coverage === 1 ? 1 : attempts;
  for (let attempt = 0; attempt < draws; attempt += 1) {
    const masks = drawMasks(model, options, attempt);
    first ??= masks;
    if (isConnected(model, masks)) return masks;
  }
  return first!;
}

function drawMasks(model: Pick<ModelDefinition, 'blocks' | 'groups'>, options: MaskOptions, attempt: number): Masks {
  const random = xoroshiro128plus(options.seed * attempts + attempt);
  const held: Held[] = Array.from({ length: options.numWorkers }, () => ({ blocks: [], neurons: {} }));
  if (options.granularity === 'block') {
    const holders = holdersOfUnits(model.blocks.length, options, random);
    held.forEach((of, worker) => (of.blocks = model.blocks.filter((_, unit) => holders[unit]!.includes(worker))));
  } else {
    for (const of of held) of.blocks = [...model.blocks];
    for (const group of model.groups) {
      const holders = holdersOfUnits(group.size, options, random);
      held.forEach((of, worker) => {
        of.neurons[group.id] = holders.flatMap((workers, unit) => (workers.includes(worker) ? [unit] : []));
      });
    }
  }
  return { granularity: options.granularity, masking: options.masking, held };
}

/** Holders of each of `count` units. */
function holdersOfUnits(count: number, options: MaskOptions, random: RandomGenerator): number[][] {
  const loads = Array.from({ length: options.numWorkers }, () => 0);
  const holders: number[][] = Array.from({ length: count }, () => []);
  for (const unit of shuffled(count, random)) {
    const order = shuffled(options.numWorkers, random).sort((a, b) => loads[a]! - loads[b]!);
    holders[unit] = order.slice(0, options.coverage).sort((a, b) => a - b);
    for (const worker of holders[unit]) loads[worker]! += 1;
  }
  return holders;
}

/** 0 .. count-1 in random order (Fisher-Yates). */
function shuffled(count: number, random: RandomGenerator): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = uniformInt(random, 0, last);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
