// Moves workers from devices that have no room for them to others that have.

import type { PlannedDevice } from '../device/discover.ts';
import { hasRoom } from '../memory/fit.ts';

/**
 * The devices, each with as many workers as it has room for, where that can be; else as they were. A worker moves to a device of the kind that
 * its graph is made for, from and to devices whose number of workers the configuration leaves open. `predict`: bytes that every device would need.
 */
export function evenOut<D extends Pick<PlannedDevice, 'id' | 'kind' | 'workers' | 'capacityBytes' | 'isCounted'>>(
  devices: D[],
  predict: (devices: D[]) => number[],
): D[] {
  let current = devices;
  for (;;) {
    const needs = predict(current);
    const fits = (index: number, need: number) =>
      hasRoom({ device: current[index]!.id, neededBytes: need, capacityBytes: current[index]!.capacityBytes });
    const over = current.findIndex(
      ({ workers, isCounted }, index) => workers.length > 1 && !isCounted && !fits(index, needs[index]!),
    );
    if (over < 0) return current.every((_, index) => fits(index, needs[index]!)) ? current : devices;
    const room = (index: number) => 1 - needs[index]! / current[index]!.capacityBytes;
    const others = current.map((_, index) => index).filter((index) => current[index]!.kind === current[over]!.kind);
    const taker = others
      .filter((index) => index !== over && !current[index]!.isCounted)
      .sort((a, b) => room(b) - room(a))
      .find((index) => fits(index, predict(moved(current, over, index))[index]!));
    if (taker === undefined) return devices;
    current = moved(current, over, taker);
  }
}

/** The last worker of one device goes to another. */
function moved<D extends Pick<PlannedDevice, 'workers'>>(devices: D[], from: number, to: number): D[] {
  const worker = devices[from]!.workers.at(-1)!;
  return devices.map((device, index) => {
    if (index === from) return { ...device, workers: device.workers.slice(0, -1) };
    if (index === to) return { ...device, workers: [...device.workers, worker].sort((a, b) => a - b) };
    return device;
  });
}
