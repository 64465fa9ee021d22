// The shared store and the device processes of one run: started together, asked together, closed together.
//
// A process that ends when nobody asked it to is a lost device, and so is one that hangs (silence.ts), whose process is ended. The store is
// aborted then, so that the others leave their barriers and come back from what they were asked. An update in which a device was lost is
// completed here, the others take over its workers (takeOver.ts), and what was asked is asked anew, from the first step on that is not done:
// no result depends on who runs what. Where none of its kind is left, the run is planned anew. Where nobody can take over, the call fails with
// the device, its process and the cause.

import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../contract/errors.ts';
import { moveSessions, withoutTraining } from '../device/deviceSessions.ts';
import type { RunDevice } from '../device/discover.ts';
import { logged } from '../log/log.ts';
import type { EvaluateResult, NativeStore, TrainResult } from '../native.ts';
import type { PreparedRun, RunSetup, StoreSpec } from '../plan/prepare.ts';
import { howItEnded, within, type ProcessExit, type SpawnDevice } from '../processes/deviceProcess.ts';
import { readMemoryKills } from '../processes/memoryKills.ts';
import { readActivity } from '../processes/standstill.ts';
import { deferred } from './deferred.ts';
import { endProcess, greet, named, type DeviceClient, type Member, type MemberListeners } from './member.ts';
import { lookEveryMs, Silence, usualPatience } from './silence.ts';
import { createStore, placeOfStore } from './storePlace.ts';
import { newShares } from './takeOver.ts';

/** Signals that are meant for the main process, where every process gets them. */
const forMain: readonly unknown[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Devices with their workers, and what each is told. */
export type FleetPlan = Pick<PreparedRun, 'devices' | 'sessions'>;

export interface FleetOptions extends MemberListeners, FleetPlan {
  spawnDevice: SpawnDevice;
  store: StoreSpec;
  setup: RunSetup;
  /** What is wrong with the files that devices have mapped; null where nothing is. Asked when one ends for reading where there is no file. */
  checkFiles?(): Promise<string | null>;
  /** Fills the store before the processes start. */
  fill(store: NativeStore): Promise<void> | void;
  /** Whether its store, once it is filled, stays where this process ends at once: another goes on from it. */
  survives?: boolean;
  /** Once it settles, open() waits for no device: a fleet whose devices are not ready gives its store, and can be closed. */
  unneeded?: Promise<void>;
  /** Others have taken over the workers of a device. */
  onLoss?(loss: Loss): void;
  /** A plan in which these run all workers, where none is left of the kind that some were planned for. Fails where they cannot. */
  replan?(devices: readonly RunDevice[]): Promise<FleetPlan>;
}

export interface Loss {
  device: RunDevice;
  /** What has happened to it. */
  sentence: string;
  /** Steps that are done; null before training. */
  step: number | null;
  /** Those that are left, with their workers. */
  devices: RunDevice[];
}

interface Failure {
  member: Member;
  error: unknown;
}

const isOf = (error: unknown, code: UserError['code']) => error instanceof UserError && error.code === code;

export class Fleet {
  /** Whether it has given up a step in order to end. */
  hasGivenUp = false;
  private closing = false;
  /** The first loss that nobody has taken over from yet. */
  private lost: UserError | undefined;
  /** Rejects with it. */
  private lossSeen = deferred<never>();
  /** Nobody is to take over any more. */
  private readonly over = deferred<void>();
  private isOver = false;
  /** In the order of the devices, without those that others have taken over from; each from the moment on that its process is started. */
  private members: Member[] = [];
  /** Those that are to join, and run nothing yet. */
  private recruits: Member[] = [];
  /** Seats of processes that have not ended. */
  private readonly taken = new Set<number>();
  /** Who was last planned to run what. */
  private plan: FleetPlan;
  private readonly memoryKills = readMemoryKills();
  private readonly removeStore = (): void => void this.store.close();
  private readonly silence: Silence;
  private isTraining = false;
  private isToStop = false;
  /** Seats of those that are done with what was last asked. */
  private answered: ReadonlySet<number> = new Set();
  /** Settles when all have answered what was last asked, or are gone. */
  private settled: Promise<unknown> = Promise.resolve();
  /** The training that was begun last: its first step, the updates before it, and the learning rates of its steps. */
  private begun: { from: number; updates: number; learningRates: readonly number[] } | undefined;

  private constructor(
    readonly store: NativeStore,
    private readonly storePath: string,
    private readonly options: FleetOptions,
  ) {
    this.silence = new Silence(options.patience ?? usualPatience);
    this.plan = options;
    this.expectLosses();
    process.once('exit', this.removeStore);
  }

  /** Creates the store, starts and prepares every device. On failure nothing is left running. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const storePath = await placeOfStore(options.store);
    const store = await createStore(storePath, options.store.layout);
    const fleet = new Fleet(store, storePath, options);
    try {
      await options.fill(store);
      if (options.survives) process.off('exit', fleet.removeStore);
      const ready = fleet.prepare();
      await Promise.race([ready, ...(options.unneeded ? [options.unneeded] : [])]);
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** Steps [from, to); ends early, at the same step on all devices, after requestStop and before a step that is not finite. */
  async train(from: number, learningRates: number[]): Promise<TrainResult> {
    const to = from + learningRates.length;
    this.begun = { from, updates: this.store.updatesDone(), learningRates };
    this.isTraining = true;
    try {
      return await this.steadily(async () => {
        const step = this.wholeStep!;
        if (step === to) return { step, stopped: false };
        const rest = { from: step, to, learningRates: learningRates.slice(step - from) };
        return (await this.all(({ call }) => call.train(rest), { trains: true }))[0]!;
      });
    } finally {
      this.isTraining = false;
    }
  }

  /** Full network on the first `samples` of the evaluation source; the same figures for any number of devices. */
  async evaluate(samples: number): Promise<EvaluateResult> {
    return await this.steadily(async () => (await this.all(({ call }) => call.evaluate({ samples })))[0]!);
  }

  /** Writes logits [L, K] of every `every`-th label of the first `count` evaluation samples to a file, after evaluate. */
  async writeLogits(count: number, every: number, path: string): Promise<void> {
    await this.steadily(async () => {
      await this.all(({ call }) => call.logits({ count, every, path }), { members: this.members.slice(0, 1) });
    });
  }

  /** What others do; devices that are lost meanwhile are taken over from. */
  async meanwhile<T>(work: Promise<T>): Promise<T> {
    return await this.steadily(() => this.orLost(work));
  }

  /** Those that are left, with the workers that they have now. */
  get devices(): RunDevice[] {
    return this.members.map(({ device }) => device);
  }

  /**
   * Starts the devices of another plan that do not take part yet, while the others go on. Fails where one is not to be had, and nothing has
   * changed then. They take part from change() on.
   */
  async recruit(plan: FleetPlan): Promise<void> {
    const known = new Set(this.devices.map(({ id }) => id));
    const wanted = plan.devices.filter(({ id }) => !known.has(id));
    try {
      await Promise.all(wanted.map((device) => this.startRecruit(device, plan)));
    } catch (error) {
      await this.dismiss();
      throw error;
    }
  }

  /** Ends those that were to join. */
  async dismiss(): Promise<void> {
    await Promise.all(this.recruits.splice(0).map((member) => this.letGo(member)));
  }

  /**
   * From now on every device runs what the plan says; those that it has not leave. By who trains, between two trainings. Fails with `conflict`
   * where a device was lost meanwhile: then nobody leaves, and those that are left run all workers.
   */
  async change(plan: FleetPlan): Promise<void> {
    const planned = new Map(plan.devices.map((device) => [device.id, device]));
    const all = [...this.members, ...this.recruits.splice(0)];
    const has = (id: string) => all.some(({ device, fate }) => device.id === id && !fate);
    if (![...planned.keys()].every(has)) {
      await Promise.all(all.filter((member) => !this.members.includes(member)).map((member) => this.letGo(member)));
      throw lostMeanwhile();
    }
    const leaving = all.filter(({ device }) => !planned.has(device.id));
    this.members = all.filter(({ device }) => planned.has(device.id));
    this.plan = plan;
    this.setMembers();
    const lacks = ({ device }: Member) => difference(planned.get(device.id)!.workers, device.workers);
    const hasTooMany = ({ device }: Member) => difference(device.workers, planned.get(device.id)!.workers);
    try {
      await this.all((_, member) => this.assign(member, { gives: hasTooMany(member) }));
      await this.all((_, member) => this.assign(member, { takes: lacks(member) }));
    } catch (error) {
      await this.keep(leaving);
      await this.recover(error);
      throw lostMeanwhile();
    }
    await Promise.all(leaving.map((member) => this.letGo(member)));
  }

  /** Those that were to leave stay after all, with the workers that nobody else has by now. */
  private async keep(leaving: readonly Member[]): Promise<void> {
    await Promise.race([this.settled, this.over.promise]);
    const left = this.members.filter(({ fate }) => !fate);
    const held = new Set(left.flatMap(({ device }) => device.workers));
    this.members.push(...leaving);
    const gives = ({ device }: Member) => device.workers.filter((worker) => held.has(worker));
    await Promise.all(
      leaving.map((member) =>
        this.assign(member, { gives: gives(member) }).catch((error: unknown) => this.fail(member, error)),
      ),
    );
  }

  requestStop(): void {
    this.isToStop = true;
    this.store.requestStop();
  }

  /** Takes back a stop, so that the next train() goes on. */
  clearStop(): void {
    this.isToStop = false;
    this.store.clearStop();
  }

  /** Steps whose parameters the store has; null before training, and in an update. To be asked when nobody trains. */
  get wholeStep(): number | null {
    const updates = this.store.updates();
    return this.begun && updates !== null ? this.begun.from + updates - this.begun.updates : null;
  }

  /** Ends a training that has not come to a step boundary `afterMs` after it was asked to stop: the step in progress is left off. */
  async giveUp(afterMs: number): Promise<void> {
    // An update takes moments, and the training ends behind it.
    const until = Date.now() + 2000;
    while (this.isTraining && this.store.updates() === null && Date.now() < until) await delay(20);
    if (!this.isTraining || this.closing) return;
    const progress = this.store.progress();
    const asked = this.members.filter(({ participant }) => !this.answered.has(participant));
    const busy = asked.filter(({ participant }) => !progress[participant]!.waiting);
    const late = busy.length > 0 ? busy : asked;
    this.hasGivenUp = true;
    this.end();
    this.tellLoss(
      `the step in progress was given up, as ${late.map(named).join(', ')} had not done it after ${afterMs / 1000} s`,
    );
    late.forEach(({ process }) => process.kill());
  }

  /** Ends the processes and removes the store. */
  async close(): Promise<void> {
    await this.endDevices();
    await this.store.close();
    process.off('exit', this.removeStore);
  }

  /** Ends the processes. An update in which one was lost becomes whole. */
  async endDevices(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    this.end();
    await Promise.all([this.dismiss(), ...this.members.map((member) => endProcess(member))]);
    await this.completeUpdate();
  }

  private async prepare(): Promise<void> {
    this.members = this.plan.devices.map((device, index) => this.start(device, this.plan.sessions[index]!));
    this.setMembers();
    await this.steadily(() => this.all((_, member) => this.makeReady(member)));
  }

  private setMembers(): void {
    this.store.setMembers(
      this.members.map(({ participant }) => participant),
      this.members.map(({ device }) => device.threads),
    );
  }

  private start(device: RunDevice, sessions: string): Member {
    const { promise: gone, resolve: leave } = deferred<void>();
    const participant = this.freeSeat();
    const process = this.options.spawnDevice(device.id);
    const member: Member = { participant, device, process, sessions, gone, leave };
    void member.process.exited.then((exit) => {
      this.taken.delete(participant);
      return this.noticeExit(member, exit);
    });
    return member;
  }

  private freeSeat(): number {
    const seats = this.store.progress().length;
    const seat = Array.from({ length: seats }, (_, index) => index).find((index) => !this.taken.has(index));
    if (seat === undefined)
      throw new UserError('device', `at most ${seats} devices can take part in this run at a time`);
    this.taken.add(seat);
    return seat;
  }

  private async startRecruit(device: RunDevice, plan: FleetPlan): Promise<void> {
    const sessions = withoutTraining(plan.sessions[plan.devices.indexOf(device)]!);
    const member = this.start({ ...device, workers: [] }, sessions);
    this.recruits.push(member);
    const { firstMs } = this.options.patience ?? usualPatience;
    const isReady = this.makeReady(member).then(
      () => true,
      async (error: unknown) => {
        // Its end says more.
        await within(member.gone, 1000);
        throw member.fate === undefined ? error : new UserError('device', member.fate, { key: device.id });
      },
    );
    if (await within(isReady, firstMs)) return;
    throw new UserError('device', `${named(member)} was not ready after ${firstMs / 1000} s`, { key: device.id });
  }

  /** Ends one that takes no part any more. */
  private async letGo(member: Member): Promise<void> {
    member.fate ??= 'it has left';
    await endProcess(member);
  }

  /** Waits for its process to answer, and gives it its sessions. */
  private async makeReady(member: Member): Promise<void> {
    if (member.ready) return;
    const { participant, device, sessions } = member;
    const { id, kind, index, threads } = device;
    member.client ??= await greet(member, this.options).catch(async (error: unknown) => {
      if (!(await within(member.process.exited, 1000))) this.kill(member, (error as Error).message);
      throw error;
    });
    await member.client.call.prepare({
      ...this.options.setup,
      storePath: this.storePath,
      participant,
      sessions,
      device: { id, kind, index, threads },
    });
    member.ready = true;
  }

  /** Asks devices and waits for all answers; the loss of a device fails it at once, and one that hangs is lost. */
  private async all<T>(
    ask: (client: DeviceClient, member: Member) => Promise<T>,
    { members = this.members, trains = false }: { members?: readonly Member[]; trains?: boolean } = {},
  ): Promise<T[]> {
    const answered = new Set<number>();
    this.answered = answered;
    const failures: Failure[] = [];
    const answers = members.map((member) =>
      ask(member.client!, member)
        .catch((error: unknown) => {
          failures.push({ member, error });
          throw error;
        })
        .finally(() => answered.add(member.participant)),
    );
    this.silence.begin(this.store.progress(), performance.now(), trains);
    const looking = setInterval(() => this.look(members, answered), lookEveryMs);
    this.settled = Promise.all(
      answers.map((answer, index) => Promise.race([answer.catch(() => undefined), members[index]!.gone])),
    ).finally(() => clearInterval(looking));
    return await this.orLost(Promise.all(answers), failures);
  }

  private look(asked: readonly Member[], answered: ReadonlySet<number>): void {
    if (this.closing) return;
    const haveTrained = asked.every((member) => member.hasTrained);
    // One that has not answered at all has a limit of its own.
    const isBusy = ({ participant, client, fate }: Member) => client && !fate && !answered.has(participant);
    const busy = new Map(asked.filter(isBusy).map((member) => [member.participant, member]));
    // The last that is left has the longer time: a slow disk looks the same. A training that is to stop is given up at its own time.
    const isLast = this.members.filter(({ fate }) => !fate).length === 1;
    const isPatient = isLast || this.isToStop;
    const activity = (seat: number) => (isPatient ? null : readActivity(busy.get(seat)?.process.pid ?? 0));
    const isDone = (seat: number) => !busy.has(seat);
    const found = this.silence.look(this.store.progress(), performance.now(), { isDone, haveTrained, activity });
    const member = found && busy.get(found.index);
    if (member) this.kill(member, `${named(member)} got nothing done for ${found.seconds} s and was ended`);
  }

  /** Does what devices are needed for, anew where others have taken over from one that was lost meanwhile. */
  private async steadily<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.recover(error);
      }
    }
  }

  /** Fails with what has failed, unless that is the loss of a device that others can take over from. */
  private async recover(error: unknown): Promise<void> {
    if (!this.lost) throw error;
    const reason = this.lost;
    if (!(await this.takeOver())) throw this.lost ?? reason;
  }

  /** Those that are left take over from those that are gone, also from those that are lost meanwhile. Whether they can. */
  private async takeOver(): Promise<boolean> {
    const gone: Member[] = [];
    for (;;) {
      await Promise.race([this.settled, this.over.promise]);
      if (this.isOver) return false;
      await this.completeUpdate();
      gone.push(...this.members.filter(({ fate }) => fate));
      this.members = this.members.filter(({ fate }) => !fate);
      const { message, key } = this.lost!;
      this.expectLosses();
      const shares = await this.newShares().catch((error: unknown) => (error as Error).message);
      if (!(shares instanceof Map)) {
        this.tellLoss(shares === '' ? message : `${message}; ${shares}`, key);
        return false;
      }
      this.setMembers();
      const members = this.members.filter(({ device }) => shares.has(device.id));
      try {
        await this.all((_, member) => this.handOver(member, shares.get(member.device.id)!), { members });
        break;
      } catch (error) {
        if (!this.lost) throw error;
      }
    }
    for (const { device, fate } of gone)
      this.options.onLoss?.({ device, sentence: fate!, step: this.wholeStep, devices: this.devices });
    return true;
  }

  /** Who takes over which workers; fails where nobody can, and says why where that is not known by then. */
  private async newShares(): Promise<Map<string, number[]>> {
    const shares = newShares(this.plan.devices, this.devices);
    if (shares) return shares;
    const { replan } = this.options;
    if (this.members.length === 0 || !replan) throw new Error();
    const plan = await Promise.race([replan(this.devices), this.over.promise]).catch((error: unknown) => {
      const left = this.members.map(({ device }) => device.id).join(', ');
      throw new Error(`${left} cannot take over: ${(error as Error).message}`);
    });
    if (!plan) throw new Error();
    this.plan = plan;
    return newShares(plan.devices, this.devices)!;
  }

  private async handOver(member: Member, workers: number[]): Promise<void> {
    await this.makeReady(member);
    await this.assign(member, { takes: workers });
  }

  /** Takes workers from a device, and gives it others. */
  private async assign(
    member: Member,
    { gives = [], takes = [] }: { gives?: number[]; takes?: number[] },
  ): Promise<void> {
    if (gives.length + takes.length === 0) return;
    const sessions = this.plan.devices.flatMap(({ workers }, index) => {
      const moved = takes.filter((worker) => workers.includes(worker));
      return moved.length === 0 ? [] : [moveSessions(this.plan.sessions[index]!, moved)];
    });
    await member.client!.call.assign({ gives, takes: sessions });
    const workers = [...difference(member.device.workers, gives), ...takes].sort((a, b) => a - b);
    member.device = { ...member.device, workers };
    member.hasTrained = false;
  }

  /** An update in which devices were lost becomes whole. To be asked when nobody trains. */
  private async completeUpdate(): Promise<void> {
    const { begun, store } = this;
    if (!begun || store.updates() !== null) return;
    const index = store.updatesDone() - begun.updates;
    await store.completeUpdate(this.options.setup.optimizer, begun.from + index, begun.learningRates[index]!);
  }

  /** Ends one that lives and cannot do what it is asked. */
  private fail(member: Member, error: unknown): void {
    this.kill(member, `${named(member)} has failed: ${(error as Error).message}`);
  }

  /** Ends one that is of no use. */
  private kill(member: Member, fate: string): void {
    this.lose(member, fate);
    member.process.kill();
    // One that the system cannot end does nothing any more either.
    void within(member.process.exited, 3000).then(member.leave);
  }

  private lose(member: Member, fate: string): void {
    member.fate = fate;
    if (this.members.includes(member)) this.tellLoss(fate, member.device.id);
  }

  private tellLoss(sentence: string, key?: string): void {
    this.lost ??= new UserError('device', sentence, { key });
    this.store.abort(sentence);
    this.lossSeen.reject(this.lost);
  }

  /** From now on losses are new ones. */
  private expectLosses(): void {
    this.lost = undefined;
    this.lossSeen = deferred<never>();
    this.lossSeen.promise.catch(() => undefined);
  }

  private end(): void {
    this.isOver = true;
    this.over.resolve();
  }

  /** The work, or the loss of a device, whichever comes first. */
  private async orLost<T>(work: Promise<T>, failures: readonly Failure[] = []): Promise<T> {
    try {
      return await Promise.race([work, this.lossSeen.promise]);
    } catch (error) {
      throw await this.causeOf(error, failures);
    }
  }

  /**
   * A call that fails because a process died is told apart from one that failed by itself: the exit follows within moments. A device that lives
   * and cannot do what it is asked, for want of memory or since its driver has gone, is lost where there are others.
   */
  private async causeOf(error: unknown, failures: readonly Failure[]): Promise<unknown> {
    const secondary = isOf(error, 'disconnected') || isOf(error, 'device') || isOf(error, 'cancelled');
    if (!secondary || this.lost) return this.lost ?? error;
    await within(
      this.lossSeen.promise.catch(() => undefined),
      1000,
    );
    // Others give up what one has failed at.
    const first = failures.find((failure) => !isOf(failure.error, 'cancelled') && !isOf(failure.error, 'disconnected'));
    if (!this.lost && isOf(first?.error, 'device') && this.members.length > 1 && !this.closing)
      this.fail(first!.member, first!.error);
    return this.lost ?? first?.error ?? error;
  }

  private async noticeExit(member: Member, exit: ProcessExit): Promise<void> {
    member.leave();
    // Before a process has come to the point where it leaves signals to the main process, which has got the same.
    if (forMain.includes(exit.signal)) await delay(500);
    if (this.closing || member.fate) return;
    const how = howItEnded(exit, this.memoryKills, readMemoryKills(), member.bytes);
    const files = exit.signal === 'SIGBUS' ? await this.options.checkFiles?.() : null;
    if (this.closing || member.fate) return;
    // What ended this one would end all.
    if (files) this.end();
    const { device, process } = member;
    const fate =
      process.pid === undefined
        ? `device ${device.id} could not be started: ${how}`
        : `${named(member)} ended with ${how}${files ? `: ${files}` : ''}`;
    this.lose(member, files ? fate : logged(fate, exit.lastOutput));
  }
}

const difference = (all: readonly number[], without: readonly number[]): number[] =>
  all.filter((one) => !without.includes(one));

const lostMeanwhile = () =>
  new UserError('conflict', 'a device was lost meanwhile, so the others stay as they are; try again');
