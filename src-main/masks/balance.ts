// Units to workers by cost: each unit on a given number of workers, so that the workers' costs are as even as can be.
//
// A cost has two parts, FLOPs and bytes; what is made small is the sum over workers of the squares of both, which is smallest where
// both are even. Units are taken from the heaviest down, each to the workers on which it adds least (the rule of longest processing time,
// LPT). Then pairs of workers hand over a unit, or exchange two, as long as that lowers the sum; every unit keeps its number of holders.
// The most even assignment often falls apart into workers that share no unit (two complementary halves): `connect` joins them by the
// exchanges that raise the sum least. Equal choices are settled by the generator, so a seed gives one result.

import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { numComponents } from './connectivity.ts';
import { shuffled } from './random.ts';

/** FLOPs and bytes, each as a share of the full network's. */
export type Cost = readonly [flops: number, bytes: number];

export interface CostedUnit {
  cost: Cost;
  /** Number of workers that hold it. */
  numHolders: number;
}

export interface Balanced {
  /** Holders of each unit, ascending. */
  holders: number[][];
  /** Sum of squares of the workers' costs; smaller is more even. */
  score: number;
}

/** `connected`: every worker shall share a unit with every other, if only through others; given up where that cannot be reached. */
export function balanceByCost(
  units: readonly CostedUnit[],
  numWorkers: number,
  random: RandomGenerator,
  { connected }: { connected: boolean },
): Balanced {
  const loads = new Loads(units, numWorkers);
  assignHeaviestFirst(units, loads, random);
  while (exchangeOnce(loads));
  if (connected) connect(loads);
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
const tolerance = 1e-12;

/** Who holds what, and the sum of it for every worker. */
class Loads {
  private readonly held: boolean[][];
  private readonly sums: [number, number][];

  constructor(
    private readonly units: readonly CostedUnit[],
    readonly numWorkers: number,
  ) {
    this.held = Array.from({ length: numWorkers }, () => units.map(() => false));
    this.sums = Array.from({ length: numWorkers }, () => [0, 0]);
  }

  give(unit: number, worker: number, sign: 1 | -1 = 1): void {
    const [flops, bytes] = this.cost(unit);
    this.held[worker]![unit] = sign > 0;
    this.sums[worker]![0] += sign * flops;
    this.sums[worker]![1] += sign * bytes;
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
    const inReturn = [null, ...this.movable(taker, giver)];
    return this.movable(giver, taker).flatMap((given) =>
      inReturn.map((returned) => {
        const [gain, loss] = [this.cost(given), this.cost(returned)];
        const [flops, bytes] = [gain[0] - loss[0], gain[1] - loss[1]];
        const rise = this.rise(taker, [flops, bytes]) + this.rise(giver, [-flops, -bytes]);
        return { giver, taker, given, returned, rise };
      }),
    );
  }

  /** What `change` would add to the worker's part of the score. */
  rise(worker: number, change: Cost): number {
    const [flops, bytes] = this.sums[worker]!;
    return change[0] * (2 * flops + change[0]) + change[1] * (2 * bytes + change[1]);
  }

  holders(): number[][] {
    return this.units.map((_, unit) => this.held.flatMap((units, worker) => (units[unit] ? [worker] : [])));
  }

  score(): number {
    return this.sums.reduce((sum, [flops, bytes]) => sum + flops ** 2 + bytes ** 2, 0);
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
    const order = shuffled(loads.numWorkers, random).sort((a, b) => loads.rise(a, cost) - loads.rise(b, cost));
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
