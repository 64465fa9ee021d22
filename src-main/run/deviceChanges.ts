// What becomes of a run's configuration when a device is to join it, or to leave.

import { UserError } from '../contract/errors.ts';
import { deviceEntries, parseRunConfig, type DeviceEntry, type RunConfig } from '../contract/runConfig.ts';
import type { RunDevice } from '../device/discover.ts';
import type { Placement } from '../device/placement.ts';

export type DeviceRequest = { add: DeviceEntry } | { remove: string };

/** As it is asked for, of a run on `devices`; fails with `conflict` where that cannot be. A new device gets as many threads as others of its kind have. */
export function withDevices(config: RunConfig, devices: readonly RunDevice[], asked: DeviceRequest): RunConfig {
  const id = 'add' in asked ? asked.add.id : asked.remove;
  const refused = (sentence: string) => new UserError('conflict', sentence, { key: id });
  const entries = entriesOf(config, devices);
  const takesPart = entries.some((entry) => entry.id === id);
  if ('remove' in asked) {
    if (!takesPart)
      throw refused(`${id} is no device of this run, which has ${entries.map((one) => one.id).join(', ')}`);
    if (entries.length === 1) throw refused(`${id} is the only device of this run; add another first, or stop the run`);
    return { ...config, devices: entries.filter((entry) => entry.id !== id) };
  }
  if (takesPart) throw refused(`${id} takes part in this run already`);
  const like = devices.find(({ kind }) => id.startsWith(`${kind}:`));
  const added = { ...(like && { threads: like.threads }), ...asked.add };
  return parseRunConfig({ ...config, devices: [...entries, added] });
}

/** The devices as entries of a configuration: with the threads that they have, and the memory that the configuration gives them. Their numbers of workers are open. */
export function entriesOf(config: RunConfig, devices: readonly RunDevice[]): DeviceEntry[] {
  const given = new Map(deviceEntries(config).map(({ workers: _, ...entry }) => [entry.id, entry]));
  return devices.map(({ id, threads }) => ({ ...given.get(id), id, threads }));
}

export const placementOf = (devices: readonly RunDevice[]): Placement =>
  Object.fromEntries(devices.map(({ id, workers }) => [id, workers]));
