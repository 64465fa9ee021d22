// Devices of this machine, and the ones that a run uses.
//
// CPU devices are shares of the machine's cores: cpu:0 is always there, and a run may name cpu:1, cpu:2, ... to get more processes. So it
// is with webgpu:0, which stands for the one adapter that there is. Other kinds are used where a run names them (accelerators.ts).

import { parseBytes } from '../contract/bytes.ts';
import type { Device } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { deviceEntries, type RunConfig } from '../contract/runConfig.ts';
import { native } from '../native.ts';
import type { SpawnDevice } from '../processes/deviceProcess.ts';
import { findAccelerators, type Accelerators } from './accelerators.ts';
import { placeWorkers, type Placement, type Seat } from './placement.ts';

export interface RunDevice {
  id: string;
  kind: 'cpu' | 'webgpu' | 'cuda';
  index: number;
  /** Threads of a CPU device; of the update on others. */
  threads: number;
  /** Logical workers that it runs in turn, ascending. */
  workers: number[];
}

export interface Running {
  workers: Placement;
  /** By device: workers that it gets done in a unit of time. */
  speeds?: Readonly<Record<string, number>>;
}

export interface PlannedDevice extends RunDevice {
  /** What it may use: its limit in the configuration, else its own memory where that is known, else an even part of the machine's. */
  capacityBytes: number;
  /** Whether the configuration says how many workers it has. */
  isCounted: boolean;
}

/** What CPU devices share, and what there is beyond them. */
export interface Machine {
  cores: number;
  memoryBytes: number;
  accelerators: Accelerators;
  /** Where the run is under way: who runs what, and the measured speed of each device. */
  running?: Running;
}

/** The machine as a run of this configuration needs to know it: accelerators are looked for only where it names one. */
export async function thisMachine(config: RunConfig, spawnDevice: SpawnDevice): Promise<Machine> {
  const { logicalCores, memoryBytes } = native().describeCpu();
  const onlyCpu = deviceEntries(config).every(({ id }) => id.startsWith('cpu:'));
  const accelerators = onlyCpu ? { devices: [], missing: [] } : await findAccelerators(spawnDevice);
  return { cores: logicalCores, memoryBytes, accelerators };
}

/** Everything that works on this machine, and why other kinds of devices do not. */
export async function listDevices(spawnDevice: SpawnDevice): Promise<Accelerators> {
  const { devices, missing } = await findAccelerators(spawnDevice);
  return { devices: [hostDevice(), ...devices], missing };
}

function hostDevice(): Device {
  const cpu = native().describeCpu();
  return {
    id: 'cpu:0',
    kind: 'cpu',
    name: cpu.name,
    executionProvider: 'CPUExecutionProvider',
    memoryBytes: cpu.memoryBytes,
    cores: cpu.logicalCores,
  };
}

/** Devices of a run with their workers (placement.ts). `auto`: a CPU device per core, at most one per worker. */
export function runDevices(config: RunConfig, machine: Machine): PlannedDevice[] {
  const { cores, memoryBytes, accelerators, running } = machine;
  const numWorkers = config.subnetworks.workers;
  const entries = deviceEntries(config);
  if (entries.length === 0) {
    for (let index = 0; index < Math.min(cores, numWorkers); index += 1) entries.push({ id: `cpu:${index}` });
  }
  const devices = entries.map((entry) => {
    const [kind, index] = entry.id.split(':') as [RunDevice['kind'], string];
    const own = kind === 'cpu' ? null : accelerator(entry.id, kind, accelerators).memoryBytes;
    return {
      id: entry.id,
      kind,
      index: Number(index),
      threads: entry.threads ?? Math.max(1, Math.floor(cores / entries.length)),
      capacityBytes: parseBytes(entry.memory ?? '') ?? own ?? Math.floor(memoryBytes / entries.length),
      isCounted: entry.workers !== undefined,
    };
  });
  const seats = seatsOf(devices, running?.speeds).map((seat, index) => ({ ...seat, count: entries[index]!.workers }));
  const workers = placeWorkers(numWorkers, seats, running?.workers);
  return devices.map((device, position) => ({ ...device, workers: workers[position]! }));
}

/**
 * Until they are measured, CPU devices count as fast as they have threads, and others as they have memory; kinds share the workers by numbers of
 * devices.
 */
function seatsOf(devices: readonly Omit<PlannedDevice, 'workers'>[], speeds: Running['speeds'] = {}): Seat[] {
  if (devices.every(({ id }) => id in speeds)) return devices.map(({ id }) => ({ id, weight: speeds[id]! }));
  const speed = ({ kind, threads, capacityBytes }: (typeof devices)[number]) =>
    kind === 'cpu' ? threads : capacityBytes;
  return devices.map((device) => {
    const alike = devices.filter(({ kind }) => kind === device.kind);
    const mean = alike.reduce((sum, one) => sum + speed(one), 0) / alike.length;
    return { id: device.id, weight: speed(device) / mean };
  });
}

/** The device of this machine that an id stands for; any index of webgpu is the one adapter. */
function accelerator(id: string, kind: RunDevice['kind'], { devices, missing }: Accelerators): Device {
  const found = devices.find((device) => device.id === id || (kind === 'webgpu' && device.kind === kind));
  if (found) return found;
  const reason = missing.find((one) => one.kind === kind)?.reason ?? '"sdp devices" lists them';
  throw new UserError('configuration', `devices: ${id} is not a device of this machine: ${reason}`, { key: 'devices' });
}
