// The shared store and the device processes of one run: started together, asked together, closed together.
//
// A process that ends when nobody asked it to is a lost device: the store is aborted, so that the others leave their barriers, and the
// call in flight fails with the device, its process and the cause. After that only close() is of use.

import { randomBytes } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceContract } from '../contract/contracts.ts';
import type { DeviceCommands, DeviceEvents, DeviceSetup, EvaluationSums } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { RunDevice } from '../device/discover.ts';
import { storeBytes, type StoreLayout } from '../memory/storeLayout.ts';
import { native, type MemorySample, type NativeStore, type StepRecords } from '../native.ts';
import { connect, type Client } from '../transport/client.ts';
import { isAlive } from './isAlive.ts';
import { howItEnded, type DeviceProcess, type ProcessExit, type SpawnDevice } from './deviceProcess.ts';

type DeviceClient = Client<DeviceCommands, DeviceEvents>;

interface Member {
  device: RunDevice;
  process: DeviceProcess;
  client: DeviceClient;
}

export interface FleetOptions {
  spawnDevice: SpawnDevice;
  devices: RunDevice[];
  layout: StoreLayout;
  setup: Omit<DeviceSetup, 'storePath' | 'participant' | 'device' | 'workers' | 'layout'>;
  /** Fills the store before the processes start. */
  fill(store: NativeStore): Promise<void> | void;
  onRecords?(records: StepRecords): void;
  onMemory?(device: RunDevice, pid: number, sample: MemorySample): void;
}

export class Fleet {
  private closing = false;
  private lost: UserError | undefined;
  private failLost!: (error: UserError) => void;
  private readonly loss = new Promise<never>((_, reject) => (this.failLost = reject));

  private constructor(
    readonly store: NativeStore,
    private readonly members: Member[],
  ) {
    this.loss.catch(() => undefined);
  }

  /** Creates the store, starts and prepares every device. On failure nothing is left running. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const storePath = await placeOfStore(options.layout);
    const layout = JSON.stringify(options.layout);
    const store = native().createStore(storePath, layout);
    const fleet = new Fleet(store, []);
    try {
      await options.fill(store);
      await Promise.all(options.devices.map((device) => fleet.start(device, options)));
      await fleet.all((member, participant) => {
        const { id, kind, index, threads, workers } = member.device;
        return member.client.call.prepare({
          ...options.setup,
          storePath,
          participant,
          layout,
          workers,
          device: { id, kind, index, threads },
        });
      });
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** Steps [from, to); ends early, at the same step on all devices, after requestStop. */
  async train(from: number, learningRates: number[]): Promise<{ step: number; stopped: boolean }> {
    const results = await this.all((member) =>
      member.client.call.train({ from, to: from + learningRates.length, learningRates }),
    );
    return results[0]!;
  }

  /** Full network on the first `samples` of the evaluation source; the same figures for any number of devices. */
  async evaluate(samples: number): Promise<EvaluationSums> {
    return (await this.all((member) => member.client.call.evaluate({ samples })))[0]!;
  }

  /** Logits [L, K] of every `every`-th label of the first `count` evaluation samples, after evaluate. */
  async logits(count: number, every: number): Promise<Float32Array> {
    const { logits } = await this.orLost(this.members[0]!.client.call.logits({ count, every }));
    return Float32Array.from(logits);
  }

  requestStop(): void {
    this.store.requestStop();
  }

  /** Takes back a stop, so that the next train() goes on. */
  clearStop(): void {
    this.store.clearStop();
  }

  /** Ends the processes and removes the store. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await Promise.all(this.members.map((member) => endProcess(member)));
    this.store.close();
  }

  private async start(device: RunDevice, options: FleetOptions): Promise<void> {
    const started = options.spawnDevice(device.id);
    void started.exited.then((exit) => this.noticeExit(device, started, exit));
    const client = await this.orLost(connect(started.transport, deviceContract));
    client.on('records', (records) => options.onRecords?.(records));
    client.on('memory', (sample) => options.onMemory?.(device, started.pid ?? 0, sample));
    this.members.push({ device, process: started, client });
    this.members.sort((a, b) => options.devices.indexOf(a.device) - options.devices.indexOf(b.device));
  }

  /** Asks every device and waits for all answers; the loss of a device fails it at once. */
  private all<T>(ask: (member: Member, participant: number) => Promise<T>): Promise<T[]> {
    return this.orLost(Promise.all(this.members.map(ask)));
  }

  /** The work, or the loss of a device, whichever comes first. */
  async orLost<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([work, this.loss]);
    } catch (error) {
      throw await this.causeOf(error);
    }
  }

  /** A call that fails because its process died is told apart from one that failed by itself: the exit follows within moments. */
  private async causeOf(error: unknown): Promise<unknown> {
    const secondary = error instanceof UserError && (error.code === 'disconnected' || error.code === 'device');
    if (!secondary || this.lost) return this.lost ?? error;
    const grace = new Promise<void>((resolve) => setTimeout(resolve, 1000));
    await Promise.race([this.loss.catch(() => undefined), grace]);
    return this.lost ?? error;
  }

  private noticeExit(device: RunDevice, ended: DeviceProcess, exit: ProcessExit): void {
    if (this.closing || this.lost) return;
    const sentence = `device ${device.id} (process ${ended.pid ?? 'not started'}) ended with ${howItEnded(exit)}`;
    this.lost = new UserError('device', sentence, { key: device.id });
    this.store.abort(this.lost.message);
    this.failLost(this.lost);
  }
}

const memoryFolder = '/dev/shm';

/** A new file for a store; removeStaleStores() finds it when this process is gone. */
export async function placeOfStore(layout: StoreLayout): Promise<string> {
  const name = `sdp-lab-${process.pid}-${randomBytes(6).toString('hex')}.store`;
  return join(await storeFolder(storeBytes(layout)), name);
}

/** The memory file system where there is one with room (containers often have a small one), else the folder for temporary files. */
async function storeFolder(bytes: number): Promise<string> {
  const room = await statfs(memoryFolder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return room > bytes ? memoryFolder : tmpdir();
}

/** Asks a process to end, and ends it where it does not within two seconds. */
async function endProcess({ process, client }: Member): Promise<void> {
  const gone = process.exited.then(() => true);
  client.call.close({}).catch(() => undefined);
  client.close();
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, 2000, false));
  if (!(await Promise.race([gone, late]))) process.kill();
  await gone;
}

/** Removes the stores of processes that ended without closing them. */
export async function removeStaleStores(): Promise<void> {
  for (const folder of [memoryFolder, tmpdir()]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const pid = /^sdp-lab-(\d+)-[0-9a-f]+\.store$/.exec(name)?.[1];
      if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
    }
  }
}
