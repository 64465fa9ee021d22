// A process that trains on one device, as the run sees it, whatever host started it (child process, Electron utility process).

import { formatBytes } from '../contract/bytes.ts';
import { openedLog } from '../log/log.ts';
import type { Transport } from '../transport/transport.ts';
import { limitBehind } from './processLimits.ts';
import { killsSince, readMemoryKills, type MemoryKills } from './memoryKills.ts';

export interface ProcessExit {
  code: number | null;
  signal: string | null;
  /** Last lines that it wrote to standard error, for the log and the message. */
  lastOutput: string;
}

/** Words for a sentence; of a process that could not be started, why. `before`: as the system counted when the process started; `bytes`: what it had in memory when last asked. */
export function howItEnded(
  { code, signal, lastOutput }: ProcessExit,
  before?: MemoryKills,
  now = readMemoryKills(),
  bytes?: number,
): string {
  const how = signal ? `signal ${signal}` : code === null ? '' : `exit code ${code}`;
  const kills = before && signal === 'SIGKILL' ? killsSince(before, now) : null;
  if (kills) {
    const evidence = [
      kills,
      ...(bytes === undefined ? [] : [`it had ${formatBytes(bytes)}`]),
      ...(now.limit === null ? [] : [`and its control group may use ${formatBytes(now.limit)}`]),
    ];
    return `${how}, most likely for lack of memory: ${evidence.join(', ')}`;
  }
  const limit = limitBehind(lastOutput, signal === 'SIGABRT');
  if (limit) return joined(', ', how, `most likely ${limit}`);
  const words = lastOutput.split('\n').findLast((line) => /[a-z]/i.test(line) && !isFrame.test(line));
  return joined(': ', how, words?.trim() ?? '');
}

const joined = (separator: string, ...parts: string[]): string => parts.filter(Boolean).join(separator);

/** A line of a stack, as engines write it when they abort. */
const isFrame = /^ *\d+: 0x/;

export interface DeviceProcess {
  transport: Transport;
  /** Undefined until the operating system has started it. */
  readonly pid: number | undefined;
  /** Settles when the process has ended, however. */
  exited: Promise<ProcessExit>;
  /** Ends it at once. */
  kill(): void;
}

const living = new Set<DeviceProcess>();
const endLiving = (): void => living.forEach((device) => device.kill());

/** Ends it with this process, however this one comes to its end; for the hosts that start them. */
export function endWithUs(device: DeviceProcess): DeviceProcess {
  if (living.size === 0) process.once('exit', endLiving);
  living.add(device);
  void device.exited.then(() => {
    living.delete(device);
    if (living.size === 0) process.off('exit', endLiving);
  });
  return device;
}

/** The result of `work`, or undefined where it takes longer; leaves no timer behind. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, ms, undefined)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Arguments for its JavaScript engine: a small nursery, as building graphs otherwise leaves one of 32 MB behind. */
export const engineArguments: readonly string[] = ['--max-semi-space-size=1'];

/** What it is told at its start: its name, and where the log is. */
export const workerArguments = (name: string): string[] => [
  name,
  ...[openedLog()].filter((path) => path !== undefined),
];

/** Starts the built worker (`out/main/worker.js`); `name` is the device's id, shown in process lists and logs. */
export type SpawnDevice = (name: string) => DeviceProcess;
