// One device process of a fleet: how it is greeted and ended, and what is known of it.

import { deviceContract, type DeviceCommands, type DeviceEvents } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { DeviceRecords } from '../contract/steps.ts';
import type { RunDevice } from '../device/discover.ts';
import type { MemorySample } from '../native.ts';
import { within, type DeviceProcess } from '../processes/deviceProcess.ts';
import { lacksThreads, noMoreTasks, readLimits } from '../processes/processLimits.ts';
import { connect, type Client } from '../transport/client.ts';
import { usualPatience, type Patience } from './silence.ts';

export type DeviceClient = Client<DeviceCommands, DeviceEvents>;

export interface Member {
  /** Its seat in the store. */
  participant: number;
  device: RunDevice;
  process: DeviceProcess;
  /** What it is prepared with. */
  sessions: string;
  /** What has happened to it: it is lost, or has left; its process has ended, or is about to. */
  fate?: string;
  /** Settles once it is gone, or the system cannot end it. */
  gone: Promise<void>;
  leave(): void;
  /** Once it has answered. */
  client?: DeviceClient;
  /** Whether it has its sessions, and can be asked to end. */
  ready?: boolean;
  /** Whether it has told of a step. */
  hasTrained?: boolean;
  /** Bytes that it had in memory when last asked. */
  bytes?: number;
}

export interface MemberListeners {
  /** When a device counts as hanging. */
  patience?: Patience | undefined;
  onRecords?(records: DeviceRecords): void;
  onMemory?(device: RunDevice, pid: number, sample: MemorySample): void;
}

export const named = ({ device, process }: Member): string =>
  `device ${device.id} (process ${process.pid ?? 'not started'})`;

/** One look a second; after as many in a row, a process that waits for threads of its own is not waited for. */
const mostStarvedLooks = 10;

/** Waits for a process to answer, and listens to it from then on. */
export async function greet(
  member: Member,
  { patience = usualPatience, onRecords, onMemory }: MemberListeners,
): Promise<DeviceClient> {
  const { device, process } = member;
  const timeoutMs = Math.min(60_000, patience.firstMs);
  const isStarved = () => process.pid !== undefined && lacksThreads(process.pid);
  let starvedLooks = 0;
  const looking = setInterval(() => {
    starvedLooks = isStarved() ? starvedLooks + 1 : 0;
    if (starvedLooks === mostStarvedLooks) process.transport.close();
  }, 1000);
  const client = await connect(process.transport, deviceContract, { timeoutMs })
    .catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      const why = isStarved()
        ? `it does not start, most likely since ${noMoreTasks(readLimits().tasks)}`
        : error.message;
      throw new UserError('device', `${named(member)}: ${why}`, { key: device.id, cause: error });
    })
    .finally(() => clearInterval(looking));
  client.on('records', (records) => {
    member.hasTrained = true;
    onRecords?.(records);
  });
  client.on('memory', (sample) => {
    member.bytes = sample.residentBytes;
    onMemory?.(device, process.pid ?? 0, sample);
  });
  return client;
}

/** Asks a process to end, and ends it where it does not within two seconds, or is not ready. One that the system cannot end is left behind. */
export async function endProcess({ process, client, ready }: Member): Promise<void> {
  if (client && ready) {
    client.call.close({}).catch(() => undefined);
    client.close();
    if (await within(process.exited, 2000)) return;
  }
  process.kill();
  await within(process.exited, 3000);
}
