// The shared store and the device processes of one run: started together, asked together, closed together.
//
// A process that ends when nobody asked it to is a lost device: the store is aborted, so that the others leave their barriers, and the
// call in flight fails with the device, its process and the cause. So is one that hangs (silence.ts), whose process is ended. After that the
// store is of use where it has the parameters of a whole step, and close().

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { access, constants, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { deviceContract, type DeviceCommands, type DeviceEvents } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { DeviceRecords } from '../contract/steps.ts';
import { whyUnread } from '../files/files.ts';
import type { RunDevice } from '../device/discover.ts';
import { logged } from '../log/log.ts';
import { native, type EvaluateResult, type MemorySample, type NativeStore, type TrainResult } from '../native.ts';
import type { RunSetup, StoreSpec } from '../plan/prepare.ts';
import { connect, type Client } from '../transport/client.ts';
import { lacksThreads, noMoreTasks, readLimits } from '../processes/processLimits.ts';
import { readMemoryKills } from '../processes/memoryKills.ts';
import { lookEveryMs, Silence, usualPatience, type Patience } from './silence.ts';
import {
  howItEnded,
  within,
  type DeviceProcess,
  type ProcessExit,
  type SpawnDevice,
} from '../processes/deviceProcess.ts';

type DeviceClient = Client<DeviceCommands, DeviceEvents>;

interface Member {
  device: RunDevice;
  process: DeviceProcess;
  /** Once it has answered. */
  client?: DeviceClient;
  /** Whether it can be asked to end. */
  ready?: boolean;
  /** Whether it has told of a step. */
  hasTrained?: boolean;
  /** Bytes that it had in memory when last asked. */
  bytes?: number;
}

/** Signals that are meant for the main process, where every process gets them. */
const forMain: readonly unknown[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface FleetOptions {
  spawnDevice: SpawnDevice;
  devices: RunDevice[];
  store: StoreSpec;
  setup: RunSetup;
  /** Of each device; see PreparedRun. */
  sessions: string[];
  /** What is wrong with the files that devices have mapped; null where nothing is. Asked when one ends for reading where there is no file. */
  checkFiles?(): Promise<string | null>;
  /** Fills the store before the processes start. */
  fill(store: NativeStore): Promise<void> | void;
  /** Once it settles, open() waits for no device: a fleet whose devices are not ready gives its store, and can be closed. */
  unneeded?: Promise<void>;
  /** When a device counts as hanging. */
  patience?: Patience | undefined;
  onRecords?(records: DeviceRecords): void;
  onMemory?(device: RunDevice, pid: number, sample: MemorySample): void;
}

export class Fleet {
  /** Whether it has given up a step in order to end. */
  hasGivenUp = false;
  private closing = false;
  private lost: UserError | undefined;
  private failLost!: (error: UserError) => void;
  private readonly loss = new Promise<never>((_, reject) => (this.failLost = reject));
  /** In the order of the devices; each from the moment on that its process is started. */
  private readonly members: Member[] = [];
  private readonly memoryKills = readMemoryKills();
  private readonly removeStore = (): void => void this.store.close();
  private readonly silence: Silence;
  private isTraining = false;
  /** Those that are done with what was last asked. */
  private answered: ReadonlySet<number> = new Set();
  /** Of the training that was begun last: its first step, and the updates before it. */
  private begun: { from: number; updates: number } | undefined;

  private constructor(
    readonly store: NativeStore,
    { patience = usualPatience }: FleetOptions,
  ) {
    this.silence = new Silence(patience);
    this.loss.catch(() => undefined);
    process.once('exit', this.removeStore);
  }

  /** Creates the store, starts and prepares every device. On failure nothing is left running. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const storePath = await placeOfStore(options.store);
    const store = await createStore(storePath, options.store.layout);
    const fleet = new Fleet(store, options);
    try {
      await options.fill(store);
      const ready = fleet.prepare(options, storePath);
      await Promise.race([ready, ...(options.unneeded ? [options.unneeded] : [])]);
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** Steps [from, to); ends early, at the same step on all devices, after requestStop and before a step that is not finite. */
  async train(from: number, learningRates: number[]): Promise<TrainResult> {
    this.begun = { from, updates: this.store.updates() ?? 0 };
    this.isTraining = true;
    try {
      const segment = { from, to: from + learningRates.length, learningRates };
      return (await this.all((client) => client.call.train(segment)))[0]!;
    } finally {
      this.isTraining = false;
    }
  }

  /** Full network on the first `samples` of the evaluation source; the same figures for any number of devices. */
  async evaluate(samples: number): Promise<EvaluateResult> {
    return (await this.all((client) => client.call.evaluate({ samples })))[0]!;
  }

  /** Writes logits [L, K] of every `every`-th label of the first `count` evaluation samples to a file, after evaluate. */
  async writeLogits(count: number, every: number, path: string): Promise<void> {
    await this.all((client) => client.call.logits({ count, every, path }), this.members.slice(0, 1));
  }

  requestStop(): void {
    this.store.requestStop();
  }

  /** Steps whose parameters the store has; null before training, and where devices were lost while they updated them. To be asked when nobody trains. */
  get wholeStep(): number | null {
    const updates = this.store.updates();
    return this.begun && updates !== null ? this.begun.from + updates - this.begun.updates : null;
  }

  /** Ends a training that has not come to a step boundary `afterMs` after it was asked to stop: the step in progress is left off. */
  async giveUp(afterMs: number): Promise<void> {
    // An update takes moments, and the training ends behind it.
    const until = Date.now() + 2000;
    while (this.isTraining && this.store.updates() === null && Date.now() < until) await delay(20);
    if (!this.isTraining || this.closing || this.lost) return;
    const progress = this.store.progress();
    const asked = this.members.filter((_, index) => !this.answered.has(index));
    const busy = asked.filter((member) => !progress[this.members.indexOf(member)]!.waiting);
    const late = busy.length > 0 ? busy : asked;
    const names = late.map(({ device, process }) => named(device, process)).join(', ');
    const sentence = `the step in progress was given up, as ${names} had not done it after ${afterMs / 1000} s`;
    this.hasGivenUp = true;
    this.lose(undefined, sentence);
    late.forEach(({ process }) => process.kill());
  }

  /** Takes back a stop, so that the next train() goes on. */
  clearStop(): void {
    this.store.clearStop();
  }

  /** Ends the processes and removes the store. */
  async close(): Promise<void> {
    await this.endDevices();
    await this.store.close();
    process.off('exit', this.removeStore);
  }

  /** Ends the processes. */
  async endDevices(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await Promise.all(this.members.map((member) => endProcess(member)));
  }

  private async prepare(options: FleetOptions, storePath: string): Promise<void> {
    for (const device of options.devices) this.start(device, options);
    await this.orLost(Promise.all(this.members.map((member) => greet(member, options))));
    await this.all((client, { id, kind, index, threads }, participant) =>
      client.call.prepare({
        ...options.setup,
        storePath,
        participant,
        sessions: options.sessions[participant]!,
        device: { id, kind, index, threads },
      }),
    );
    this.members.forEach((member) => (member.ready = true));
  }

  private start(device: RunDevice, { spawnDevice, checkFiles }: FleetOptions): void {
    const member: Member = { device, process: spawnDevice(device.id) };
    this.members.push(member);
    void member.process.exited.then((exit) => this.noticeExit(member, exit, checkFiles));
  }

  /** Asks devices and waits for all answers; the loss of a device fails it at once, and one that hangs is lost. */
  private async all<T>(
    ask: (client: DeviceClient, device: RunDevice, participant: number) => Promise<T>,
    members = this.members,
  ): Promise<T[]> {
    const answered = new Set<number>();
    this.answered = answered;
    const answers = members.map(async ({ client, device }, index) => {
      const answer = await ask(client!, device, index);
      answered.add(index);
      return answer;
    });
    this.silence.begin(this.store.progress(), performance.now(), this.isTraining);
    const isDone = (index: number) => index >= members.length || answered.has(index);
    const looking = setInterval(() => this.look(isDone), lookEveryMs);
    try {
      return await this.orLost(Promise.all(answers));
    } finally {
      clearInterval(looking);
    }
  }

  private look(isDone: (index: number) => boolean): void {
    if (this.closing || this.lost) return;
    const haveTrained = this.members.every((member) => member.hasTrained);
    const found = this.silence.look(this.store.progress(), isDone, performance.now(), haveTrained);
    if (!found) return;
    const { device, process } = this.members[found.index]!;
    this.lose(device, `${named(device, process)} got nothing done for ${found.seconds} s and was ended`);
    process.kill();
  }

  private lose(device: RunDevice | undefined, sentence: string): void {
    this.lost = new UserError('device', sentence, { key: device?.id });
    this.store.abort(sentence);
    this.failLost(this.lost);
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
    await within(
      this.loss.catch(() => undefined),
      1000,
    );
    return this.lost ?? error;
  }

  private async noticeExit(member: Member, exit: ProcessExit, checkFiles: FleetOptions['checkFiles']): Promise<void> {
    // Before a process has come to the point where it leaves signals to the main process, which has got the same.
    if (forMain.includes(exit.signal)) await new Promise((resolve) => setTimeout(resolve, 500));
    if (this.closing || this.lost) return;
    const { device, process, bytes } = member;
    const how = howItEnded(exit, this.memoryKills, readMemoryKills(), bytes);
    const files = exit.signal === 'SIGBUS' ? await checkFiles?.() : null;
    if (this.closing || this.lost) return;
    const fate =
      process.pid === undefined
        ? `device ${device.id} could not be started: ${how}`
        : `${named(device, process)} ended with ${how}${files ? `: ${files}` : ''}`;
    this.lose(device, files ? fate : logged(fate, exit.lastOutput));
  }
}

/** Where this process ends meanwhile, no file is left. */
async function createStore(path: string, layout: string): Promise<NativeStore> {
  const removeFile = (): void => rmSync(path, { force: true });
  process.once('exit', removeFile);
  try {
    return await native().createStore(path, layout);
  } finally {
    process.off('exit', removeFile);
  }
}

const memoryFolder = '/dev/shm';

/** A new file for a store; removeStaleStores() finds it when this process is gone. */
export async function placeOfStore({ bytes }: Pick<StoreSpec, 'bytes'>): Promise<string> {
  const name = `sdp-lab-${process.pid}-${randomBytes(6).toString('hex')}.store`;
  return join(await storeFolder(bytes), name);
}

/** The memory file system where there is one with room (containers often have a small one), else the folder for temporary files. */
async function storeFolder(bytes: number): Promise<string> {
  if ((await roomIn(memoryFolder).catch(() => 0)) > bytes) return memoryFolder;
  const temporary = tmpdir();
  await roomIn(temporary).catch((error: unknown) => {
    const sentence = `the folder for temporary files, ${temporary}, cannot be used${whyUnread(error)}; name another in TMPDIR`;
    throw new UserError('storage', sentence, { key: temporary, cause: error });
  });
  return temporary;
}

/** Bytes that can be written in a folder; fails where it cannot be written. */
async function roomIn(folder: string): Promise<number> {
  await access(folder, constants.W_OK | constants.X_OK);
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const named = ({ id }: RunDevice, { pid }: DeviceProcess) => `device ${id} (process ${pid ?? 'not started'})`;

/** Waits for a process to answer, and listens to it from then on. */
async function greet(member: Member, { patience = usualPatience, onRecords, onMemory }: FleetOptions): Promise<void> {
  const { device, process } = member;
  const timeoutMs = Math.min(60_000, patience.firstMs);
  const client = await connect(process.transport, deviceContract, { timeoutMs }).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    const isStarved = process.pid !== undefined && lacksThreads(process.pid);
    const why = isStarved ? `it does not start, most likely since ${noMoreTasks(readLimits().tasks)}` : error.message;
    throw new UserError('device', `${named(device, process)}: ${why}`, { key: device.id, cause: error });
  });
  client.on('records', (records) => {
    member.hasTrained = true;
    onRecords?.(records);
  });
  client.on('memory', (sample) => {
    member.bytes = sample.residentBytes;
    onMemory?.(device, process.pid ?? 0, sample);
  });
  member.client = client;
}

/** Asks a process to end, and ends it where it does not within two seconds, or is not ready. One that the system cannot end is left behind. */
async function endProcess({ process, client, ready }: Member): Promise<void> {
  if (client && ready) {
    client.call.close({}).catch(() => undefined);
    client.close();
    if (await within(process.exited, 2000)) return;
  }
  process.kill();
  await within(process.exited, 3000);
}

/** Removes the stores that nobody holds any more: their processes ended without closing them. */
export async function removeStaleStores(): Promise<void> {
  for (const folder of [memoryFolder, tmpdir()]) {
    const stores = await readdir(folder).catch(() => []);
    for (const name of stores.filter((name) => /^sdp-lab-\d+-[0-9a-f]+\.store$/.test(name)))
      await removeWhereLeft(join(folder, name));
  }
}

async function removeWhereLeft(store: string): Promise<void> {
  try {
    const hold = native().holdFile(store);
    if (!hold) return;
    await rm(store, { force: true });
    hold.close();
  } catch (error) {
    // Another user's, who removes it himself.
    if (!(error instanceof UserError && error.code === 'storage')) throw error;
  }
}
