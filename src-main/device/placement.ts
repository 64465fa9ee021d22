// Which devices run which workers.

export interface Seat {
  id: string;
  /** Speed beside that of the others. */
  weight: number;
}

/** Workers by the id of the device that runs them. */
export type Placement = Readonly<Record<string, readonly number[]>>;

/**
 * Workers of each device, ascending: in order, and as many as its weight is of the sum, but at least one. There are at most as many devices as
 * workers. Where they run already, no more of them move than have to.
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

function countWorkers(numWorkers: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let before = 0;
  const edges = weights.map((weight) => Math.floor((numWorkers * (before += weight)) / total + 1e-9));
  const counts = edges.map((edge, index) => edge - (edges[index - 1] ?? 0));
  for (let empty = counts.indexOf(0); empty >= 0; empty = counts.indexOf(0)) {
    counts[counts.indexOf(Math.max(...counts))]! -= 1;
    counts[empty] = 1;
  }
  return counts;
}
