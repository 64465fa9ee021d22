// Who takes over the workers of devices that are gone.

import type { RunDevice } from '../device/discover.ts';

type Seat = Pick<RunDevice, 'id' | 'kind' | 'workers'>;

/**
 * Workers that each device takes over, by its id; those that nobody of `left` has. A worker stays on devices of the kind that it was planned
 * for, which its graph is made for, and the device with the fewest workers takes the next. Null where nobody of that kind is left.
 */
export function newShares(planned: readonly Seat[], left: readonly Seat[]): Map<string, number[]> | null {
  if (left.length === 0) return null;
  const held = new Set(left.flatMap(({ workers }) => workers));
  const shares = new Map<string, number[]>();
  for (const { kind, workers } of planned) {
    const able = left.filter((device) => device.kind === kind);
    const load = ({ id, workers: own }: Seat) => own.length + (shares.get(id)?.length ?? 0);
    for (const worker of workers.filter((one) => !held.has(one))) {
      if (able.length === 0) return null;
      const { id } = able.reduce((best, device) => (load(device) < load(best) ? device : best));
      shares.set(id, [...(shares.get(id) ?? []), worker]);
    }
  }
  return shares;
}
