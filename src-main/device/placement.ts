// Which devices run which workers.

export interface Seat {
  id: string;
  /** Speed beside that of the others. */
  weight: number;
  /** Workers that it has in any case. */
  count?: number | undefined;
}

/** Workers by the id of the device that runs them. */
export type Placement = Readonly<Record<string, readonly number[]>>;

/**
 * Workers of each device, ascending: at least one, and so many that all devices take as nearly the same time as can be. There are at most as many
 * devices as workers. Workers that run already move only where they have to.
 */
export function placeWorkers(numWorkers: number, seats: readonly Seat[], running: Placement = {}): number[][] {
  const counts = countWorkers(numWorkers, seats);
  const kept = seats.map(({ id }, index) => (running[id] ?? []).slice(0, counts[index]));
  const stay = new Set(kept.flat());
  const free = Array.from({ length: numWorkers }, (_, worker) => worker).filter((worker) => !stay.has(worker));
  return kept.map((own, index) => [...own, ...free.splice(0, counts[index]! - own.length)].sort((a, b) => a - b));
}

/** The next worker goes to the device that would be done with its workers first; to the last of those. */
function countWorkers(numWorkers: number, seats: readonly Seat[]): number[] {
  const counts = seats.map(({ count }) => count ?? 1);
  const timeWithOneMore = (index: number) =>
    seats[index]!.count === undefined ? (counts[index]! + 1) / seats[index]!.weight : Infinity;
  for (let rest = numWorkers - counts.reduce((sum, count) => sum + count, 0); rest > 0; rest -= 1) {
    const times = seats.map((_, index) => timeWithOneMore(index));
    counts[times.lastIndexOf(Math.min(...times))]! += 1;
  }
  return counts;
}
