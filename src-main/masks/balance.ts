// Units to workers by cost: each unit on a given number of workers, so that the workers' costs are as even as can be.
//
// Made small is the mean over workers of the squared deviations of FLOPs and of bytes from the mean worker's. The most even assignment
// often has two halves of workers with nothing in common, whose units never train together; so how unevenly pairs of workers overlap
// counts too, with a weight (`mixing`) at which it decides among assignments that are even alike.
// Units are taken from the heaviest down, each to the workers on which it adds least (longest processing time first, LPT). Then pairs of
// workers hand over a unit, or exchange two, as long as that helps; every unit keeps its number of holders. Workers that share no unit, even
// through others, are joined at the end by the exchanges that cost least. Equal choices are settled by the generator: a seed gives one result.

import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { numComponents } from './connectivity.ts';
import { shuffled } from './random.ts';

/** FLOPs and bytes. */
export type Cost = readonly [flops: number, bytes: number];

export interface CostedUnit {
  /** As a share of the mean worker's. */
  cost: Cost;
  /** Number of workers that hold it. */
  numHolders: number;
}

export interface BalanceOptions {
  numWorkers: number;
  /** Weight of uneven overlaps beside uneven costs; 0: overlaps do not matter. */
  mixing: number;
  /** Join workers that share nothing, where that can be done. */
  connect: boolean;
}

export interface Balanced {
  /** Holders of each unit, ascending. */
  holders: number[][];
  /** Smaller is better; comparable for the same units and options. */
  score: number;
}

export function balanceByCost(
  units: readonly CostedUnit[],
  options: BalanceOptions,
  random: RandomGenerator,
): Balanced {
  const loads = new Loads(units, options);
  assignHeaviestFirst(units, loads, random);
  while (exchangeOnce(loads));
  if (options.connect) connect(loads);
  return { holders: loads.holders(), score: loads.score() };
}

/** `given` goes from giver to taker, and `returned` (null: nothing) back; `rise` is what that adds to the score. */
interface Exchange {
  giver: number;
  taker: number;
  given: number;
  returned: number | null;
  rise: number;
}

/** Differences below this are rounding. */
const tolerance = 1e-8;

/** Who holds what; the costs of every worker, and how many units every two workers have in common. */
class Loads {
  readonly numWorkers: number;
  private readonly held: boolean[][];
  private readonly sums: [number, number][];
  private readonly overlaps: number[][];
  /** How many workers hold both of two units. */
  private readonly shared: number[][];
  /** Weight of the squared overlap of two workers. */
  private readonly overlapWeight: number;

  constructor(
    private readonly units: readonly CostedUnit[],
    { numWorkers, mixing }: BalanceOptions,
  ) {
    this.numWorkers = numWorkers;
    this.held = Array.from({ length: numWorkers }, () => units.map(() => false));
    this.sums = Array.from({ length: numWorkers }, () => [0, 0]);
    this.overlaps = Array.from({ length: numWorkers }, () => new Array<number>(numWorkers).fill(0));
    this.shared = units.map(() => new Array<number>(units.length).fill(0));
    const pairs = units.reduce((sum, { numHolders }) => sum + numHolders * (numHolders - 1), 0);
    // Overlaps relative to their mean, pairs / (N (N - 1)), and the mean over all pairs.
    this.overlapWeight = pairs > 0 ? (mixing * numWorkers * (numWorkers - 1)) / pairs ** 2 : 0;
  }

  give(unit: number, worker: number, sign: 1 | -1 = 1): void {
    const [flops, bytes] = this.cost(unit);
    this.held[worker]![unit] = sign > 0;
    this.sums[worker]![0] += sign * flops;
    this.sums[worker]![1] += sign * bytes;
    this.held.forEach((units, other) => {
      if (other === worker || !units[unit]) return;
      this.overlaps[worker]![other]! += sign;
      this.overlaps[other]![worker]! += sign;
    });
    this.held[worker]!.forEach((held, other) => {
      if (other === unit || !held) return;
      this.shared[unit]![other]! += sign;
      this.shared[other]![unit]! += sign;
    });
  }

  exchange({ giver, taker, given, returned }: Exchange): void {
    this.give(given, giver, -1);
    this.give(given, taker);
    if (returned === null) return;
    this.give(returned, taker, -1);
    this.give(returned, giver);
  }

  /** All that `giver` can hand to `taker`. */
  exchanges(giver: number, taker: number): Exchange[] {
    const overlapRise = this.overlapRises(giver, taker);
    const inReturn = [null, ...this.movable(taker, giver)];
    return this.movable(giver, taker).flatMap((given) =>
      inReturn.map((returned) => {
        const [gain, loss] = [this.cost(given), this.cost(returned)];
        const [flops, bytes] = [gain[0] - loss[0], gain[1] - loss[1]];
        const costs = this.costRise(taker, [flops, bytes]) + this.costRise(giver, [-flops, -bytes]);
        return { giver, taker, given, returned, rise: costs + overlapRise(given, returned) };
      }),
    );
  }

  /** What `change` of a worker's costs would add to the score. As the sum over workers stays, squares rise as squared deviations do. */
  costRise(worker: number, change: Cost): number {
    const [flops, bytes] = this.sums[worker]!;
    return (change[0] * (2 * flops + change[0]) + change[1] * (2 * bytes + change[1])) / this.numWorkers;
  }

  holders(): number[][] {
    return this.units.map((_, unit) => this.held.flatMap((units, worker) => (units[unit] ? [worker] : [])));
  }

  score(): number {
    const squares = (values: readonly number[]) => values.reduce((sum, value) => sum + value ** 2, 0);
    const overlaps = this.overlaps.reduce((sum, row) => sum + squares(row), 0);
    return this.sums.reduce((sum, costs) => sum + squares(costs), 0) / this.numWorkers + this.overlapWeight * overlaps;
  }

  /**
   * What the changed overlaps of giver a and taker b with the others would add to the score. For another worker x the taker's overlap
   * rises by d(x) = [x holds given] - [x holds returned], and the giver's falls by it: squares rise by the sum over x of
   * 2 d(x) (b's overlap - a's) + 2 d(x)^2. The first part is one sum per unit, the second follows from how many hold both.
   */
  private overlapRises(giver: number, taker: number): (given: number, returned: number | null) => number {
    if (this.overlapWeight === 0) return () => 0;
    const others = this.held.flatMap((units, other) =>
      other === giver || other === taker
        ? []
        : [{ units, more: this.overlaps[taker]![other]! - this.overlaps[giver]![other]! }],
    );
    const pulls = this.units.map((_, unit) =>
      others.reduce((sum, { units, more }) => (units[unit] ? sum + more : sum), 0),
    );
    const holders = (unit: number) => this.units[unit]!.numHolders - 1;
    return (given, returned) => {
      const pull = pulls[given]! - (returned === null ? 0 : pulls[returned]!);
      const back = returned === null ? 0 : holders(returned) - 2 * this.shared[given]![returned]!;
      return 4 * this.overlapWeight * (pull + holders(given) + back);
    };
  }

  private movable(from: number, to: number): number[] {
    return this.units.flatMap((_, unit) => (this.held[from]![unit] && !this.held[to]![unit] ? [unit] : []));
  }

  private cost(unit: number | null): Cost {
    return unit === null ? [0, 0] : this.units[unit]!.cost;
  }
}

function assignHeaviestFirst(units: readonly CostedUnit[], loads: Loads, random: RandomGenerator): void {
  const weight = (unit: number) => units[unit]!.cost[0] + units[unit]!.cost[1];
  for (const unit of shuffled(units.length, random).sort((a, b) => weight(b) - weight(a))) {
    const { cost, numHolders } = units[unit]!;
    const order = shuffled(loads.numWorkers, random).sort((a, b) => loads.costRise(a, cost) - loads.costRise(b, cost));
    for (const worker of order.slice(0, numHolders)) loads.give(unit, worker);
  }
}

/** The exchange that lowers the score most, for every pair of workers in turn; whether there was any. */
function exchangeOnce(loads: Loads): boolean {
  let changed = false;
  forEachPair(loads.numWorkers, (giver, taker) => {
    const exchanges = loads.exchanges(giver, taker);
    const best = exchanges.reduce((least, one) => (one.rise < least.rise ? one : least), exchanges[0]!);
    if (!best || best.rise >= -tolerance) return;
    loads.exchange(best);
    changed = true;
  });
  return changed;
}

/** Leaves the loads as they are where it cannot be done. */
function connect(loads: Loads): void {
  const done: Exchange[] = [];
  for (let parts = numComponents(loads.holders(), loads.numWorkers); parts > 1;) {
    const all: Exchange[] = [];
    forEachPair(loads.numWorkers, (giver, taker) => all.push(...loads.exchanges(giver, taker)));
    const joining = all.sort((a, b) => a.rise - b.rise).find((exchange) => partsAfter(loads, exchange) < parts);
    if (!joining) {
      for (const exchange of done.reverse()) loads.exchange(reverseOf(exchange));
      return;
    }
    loads.exchange(joining);
    done.push(joining);
    parts = numComponents(loads.holders(), loads.numWorkers);
  }
}

function partsAfter(loads: Loads, exchange: Exchange): number {
  loads.exchange(exchange);
  const parts = numComponents(loads.holders(), loads.numWorkers);
  loads.exchange(reverseOf(exchange));
  return parts;
}

const reverseOf = (exchange: Exchange): Exchange => ({ ...exchange, giver: exchange.taker, taker: exchange.giver });

function forEachPair(count: number, visit: (a: number, b: number) => void): void {
  for (let a = 0; a < count; a += 1) for (let b = 0; b < count; b += 1) if (a !== b) visit(a, b);
}
