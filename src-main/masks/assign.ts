// Masks: which worker holds which unit. Every unit is held by exactly k workers.
//
// `count`: units in random order, each to the k workers that hold fewest so far; the numbers of units per worker differ by at most one.
// `cost`: FLOPs and peak memory of the workers as even as can be (balance.ts). `cyclic`: unit u on workers u .. u+k-1 modulo N.
// Under neuron granularity every group is assigned so by itself, so that every layer of a worker is narrowed alike; `count` and `cost` then
// give every worker of a group as many neurons but for one, and `cost` chooses who gets the one more, over all groups together.
// Draws are keyed by (seed, attempt): the same seed gives the same masks. Of several draws, those are preferred that connect all workers.

import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { Granularity, Held, Masking, Masks, ModelDefinition } from '../models/model.ts';
import { balanceByCost, type Cost } from './balance.ts';
import { isConnected } from './connectivity.ts';
import { shuffled } from './random.ts';

export type Units = Pick<ModelDefinition, 'blocks' | 'groups'>;

export interface MaskOptions {
  numWorkers: number;
  /** Holders of each unit, k: 1 <= k <= numWorkers. */
  coverage: number;
  granularity: Granularity;
  masking: Masking;
  assignment: 'count' | 'cost' | 'cyclic';
  seed: number;
}

/** Costs of the blocks, or of one neuron of each group (costs.ts); asked for only where they make a difference. */
export type UnitCosts = () => readonly Cost[];

/** Draws at most so many times for masks that connect all workers; with one holder per unit none do. */
const attempts = 64;
/** Draws of `cost`, of which the best is taken; fewer for many workers, where each takes long and they differ little. */
const costAttempts = (numWorkers: number) => Math.min(8, Math.ceil(128 / numWorkers));
/** Weight of mixing in `cost`: on ResNet-18 it costs at most two points of balance, and k = N/2 no longer splits the workers in halves. */
const mixing = 0.001;

/** Holders of every block, or of every neuron of each group; `score` is smaller for a better draw. */
interface Draw {
  holders: number[][][];
  score: number;
}

export function assignMasks(model: Units, options: MaskOptions, unitCosts: UnitCosts): Masks {
  if (options.assignment === 'cyclic') return masksOf(model, options, cyclicHolders(model, options));
  const costs = options.assignment === 'cost' && costsMatter(model, options) ? unitCosts() : null;
  const draws = costs ? costAttempts(options.numWorkers) : options.coverage === 1 ? 1 : attempts;
  let best: { masks: Masks; connected: boolean; score: number } | undefined;
  for (let attempt = 0; attempt < draws; attempt += 1) {
    const random = xoroshiro128plus(options.seed * attempts + attempt);
    const { holders, score } = costs ? drawByCost(model, options, costs, random) : drawByCount(model, options, random);
    const masks = masksOf(model, options, holders);
    const connected = isConnected(model, masks);
    const better = !best || (connected !== best.connected ? connected : score < best.score - 1e-12);
    if (better) best = { masks, connected, score };
    if (!costs && connected) break;
  }
  return best!.masks;
}

/** False where the workers' costs come out the same whoever holds what. */
const costsMatter = (model: Units, options: MaskOptions): boolean =>
  options.granularity === 'block'
    ? options.coverage < options.numWorkers
    : model.groups.some(({ size }) => remainder(size, options) > 0);

/** How many workers hold one neuron more of a group of this size than the others. */
const remainder = (size: number, { coverage, numWorkers }: MaskOptions): number => (size * coverage) % numWorkers;

/** Number of units of each part that is assigned by itself: all blocks together, or each group. */
const partSizes = (model: Units, { granularity }: MaskOptions): number[] =>
  granularity === 'block' ? [model.blocks.length] : model.groups.map((group) => group.size);

function cyclicHolders(model: Units, options: MaskOptions): number[][][] {
  const { numWorkers, coverage } = options;
  return partSizes(model, options).map((size) =>
    Array.from({ length: size }, (_, unit) =>
      Array.from({ length: coverage }, (_, next) => (unit + next) % numWorkers).sort((a, b) => a - b),
    ),
  );
}

function drawByCount(model: Units, options: MaskOptions, random: RandomGenerator): Draw {
  const even = new Array<number>(options.numWorkers).fill(0);
  return { holders: partSizes(model, options).map((size) => drawHolders(size, options, even, random)), score: 0 };
}

function drawByCost(model: Units, options: MaskOptions, costs: readonly Cost[], random: RandomGenerator): Draw {
  const { numWorkers, coverage } = options;
  if (options.granularity === 'block') {
    const worker = meanWorker(costs, coverage / numWorkers);
    const units = costs.map(([flops, bytes]) => ({
      cost: [flops / worker[0], bytes / worker[1]] as const,
      numHolders: coverage,
    }));
    const { holders, score } = balanceByCost(units, { numWorkers, mixing, connect: coverage > 1 }, random);
    return { holders: [holders], score };
  }
  // All that there is to balance is who holds a neuron more, where a group does not come out even.
  const sizes = partSizes(model, options);
  const rest = sizes.map((size, group) => ({ cost: costs[group]!, numHolders: remainder(size, options) }));
  const { holders: ahead, score } = balanceByCost(rest, { numWorkers, mixing: 0, connect: false }, random);
  const holders = sizes.map((size, group) => {
    const start = Array.from({ length: numWorkers }, (_, worker) => (ahead[group]!.includes(worker) ? -1 : 0));
    return drawHolders(size, options, start, random);
  });
  return { holders, score };
}

/** Costs of a worker that holds the given share of every unit, as a share of the full network's. */
const meanWorker = (costs: readonly Cost[], share: number): Cost => [
  1 - (1 - share) * costs.reduce((sum, [flops]) => sum + flops, 0),
  1 - (1 - share) * costs.reduce((sum, [, bytes]) => sum + bytes, 0),
];

/**
 * Holders of each of `count` units. Each goes to the k workers with least; those that start with -1 end with one more than the others
 * where count * k leaves as many over.
 */
function drawHolders(
  count: number,
  { numWorkers, coverage }: MaskOptions,
  start: readonly number[],
  random: RandomGenerator,
): number[][] {
  const loads = [...start];
  const holders: number[][] = Array.from({ length: count }, () => []);
  for (const unit of shuffled(count, random)) {
    const order = shuffled(numWorkers, random).sort((a, b) => loads[a]! - loads[b]!);
    holders[unit] = order.slice(0, coverage).sort((a, b) => a - b);
    for (const worker of holders[unit]) loads[worker]! += 1;
  }
  return holders;
}

/** Masks from the holders of every unit of every part. */
export function masksOf(
  model: Units,
  { granularity, masking, numWorkers }: Pick<MaskOptions, 'granularity' | 'masking' | 'numWorkers'>,
  holders: readonly (readonly (readonly number[])[])[],
): Masks {
  const unitsOf = (part: number, worker: number) =>
    holders[part]!.flatMap((workers, unit) => (workers.includes(worker) ? [unit] : []));
  const held = Array.from({ length: numWorkers }, (_, worker): Held => {
    if (granularity === 'block') return { blocks: unitsOf(0, worker).map((unit) => model.blocks[unit]!), neurons: {} };
    const neurons = model.groups.map((group, part) => [group.id, unitsOf(part, worker)] as const);
    return { blocks: [...model.blocks], neurons: Object.fromEntries(neurons) };
  });
  return { granularity, masking, held };
}
