// Which devices run which workers.

export interface Seat {
  id: string;
  /** Speed beside that of the others. */
  weight: number;
}

/** Workers by the id of the device that runs them. */
export type Placement = Readonly<Record<string, readonly number[]>>;

/**
 * Workers of each device, ascending: at least one, and so many that all devices take as nearly the same time as can be. There are at most as many
 * devices as workers. Workers that run already move only where they have to.
 */
export function placeWorkers(numWorkers: number, seats: readonly Seat[], running: Placement = {}): number[][] {
  const counts = countWorkers(
    numWorkers,
    seats.map(({ weight }) => weight),
  );
  const kept = seats.map(({ id }, index) => (running[id] ?? []).slice(0, counts[index]));
  const stay = new Set(kept.flat());
  const free = Array.from({ length: numWorkers }, (_, worker) => worker).filter((worker) => !stay.has(worker));
  return kept.map((own, index) => [...own, ...free.splice(0, counts[index]! - own.length)].sort((a, b) => a - b));
}

/** The next worker goes to the device that would be done with its workers first; to the last of those. */
function countWorkers(numWorkers: number, weights: readonly number[]): number[] {
  const counts = weights.map(() => 1);
  const timeWithOneMore = (index: number) => (counts[index]! + 1) / weights[index]!;
  for (let rest = numWorkers - counts.length; rest > 0; rest -= 1) {
    const best = weights.reduce(
      (best, _, index) => (timeWithOneMore(index) <= timeWithOneMore(best) ? index : best),
      0,
    );
    counts[best]! += 1;
  }
  return counts;
}
