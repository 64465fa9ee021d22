// Devices of this machine, and the ones that a run uses.
//
// CPU devices are shares of the machine's cores: cpu:0 is always there, and a run may name cpu:1, cpu:2, ... to get more processes.

import { parseBytes } from '../contract/bytes.ts';
import type { Device } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { deviceEntries, type RunConfig } from '../contract/runConfig.ts';
import { native } from '../native.ts';

export interface RunDevice {
  id: string;
  kind: 'cpu' | 'webgpu' | 'cuda';
  index: number;
  /** Threads of a CPU device. */
  threads: number;
  /** Logical workers that it runs in turn, ascending. */
  workers: number[];
}

export interface PlannedDevice extends RunDevice {
  /** What it may use: its limit in the configuration, else an even part of the machine's memory. */
  capacityBytes: number;
}

/** What CPU devices share. */
export interface Machine {
  cores: number;
  memoryBytes: number;
}

export function thisMachine(): Machine {
  const { logicalCores, memoryBytes } = native().describeCpu();
  return { cores: logicalCores, memoryBytes };
}

export function listDevices(): Device[] {
  const cpu = native().describeCpu();
  return [
    {
      id: 'cpu:0',
      kind: 'cpu',
      name: cpu.name,
      executionProvider: 'CPUExecutionProvider',
      memoryBytes: cpu.memoryBytes,
      cores: cpu.logicalCores,
    },
  ];
}

/** Devices of a run with the workers shared out in order, as evenly as they can be. `auto`: a CPU device per core, at most one per worker. */
export function runDevices(config: RunConfig, { cores, memoryBytes }: Machine): PlannedDevice[] {
  const numWorkers = config.subnetworks.workers;
  const entries = deviceEntries(config);
  if (entries.length === 0) {
    for (let index = 0; index < Math.min(cores, numWorkers); index += 1) entries.push({ id: `cpu:${index}` });
  }
  return entries.map((entry, position) => {
    const [kind, index] = entry.id.split(':') as [RunDevice['kind'], string];
    if (kind !== 'cpu')
      throw new UserError(
        'configuration',
        `devices: ${entry.id} is not a device of this machine; "sdp devices" lists them`,
        {
          key: 'devices',
        },
      );
    return {
      id: entry.id,
      kind,
      index: Number(index),
      threads: entry.threads ?? Math.max(1, Math.floor(cores / entries.length)),
      workers: shareOf(numWorkers, position, entries.length),
      capacityBytes: parseBytes(entry.memory ?? '') ?? Math.floor(memoryBytes / entries.length),
    };
  });
}

/** Items [from, to) of `count` that fall to `position` of `parts`. */
export function shareOf(count: number, position: number, parts: number): number[] {
  const from = Math.floor((position * count) / parts);
  const to = Math.floor(((position + 1) * count) / parts);
  return Array.from({ length: to - from }, (_, offset) => from + offset);
}
