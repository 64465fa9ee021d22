// Devices that join and leave a run while it trains, and workers that move where devices turn out faster or slower than was thought. One change
// at a time: it is planned, and new devices are started, while the run goes on; workers move between two steps.

import { formatBytes } from '../contract/bytes.ts';
import { UserError } from '../contract/errors.ts';
import { misfitOf, type Plan } from '../contract/plan.ts';
import { isActive, type DeviceChange } from '../contract/run.ts';
import { deviceEntries, type RunConfig } from '../contract/runConfig.ts';
import type { StepColumns } from '../contract/steps.ts';
import type { RunDevice, Running } from '../device/discover.ts';
import type { Fleet, Loss } from '../fleet/fleet.ts';
import { prepareFromHome, type RunHost } from '../fleet/openFleet.ts';
import type { PreparedRun } from '../plan/prepare.ts';
import type { RunRecord } from '../records/runRecord.ts';
import { entriesOf, placementOf, withDevices, type DeviceRequest } from './deviceChanges.ts';
import type { Requests } from './requests.ts';
import { Speeds } from './speeds.ts';

/** Between two looks at whether devices are as fast as their shares suppose. */
const balanceEveryMs = 5000;

/** The run whose devices these are. */
export interface ChangingRun {
  host: RunHost;
  record: RunRecord;
  requests: Requests;
  /** Aborted when it has ended. */
  over: AbortSignal;
  ended: () => Promise<void>;
  /** While it trains. */
  fleet: () => Fleet | undefined;
  config: () => RunConfig;
  setConfig(config: RunConfig): void;
  /** Others run its workers. */
  reseated(): void;
  changed(change: DeviceChange): void;
  replanned(plan: Plan): void;
  /** Does what a disk may refuse, and goes on where it does. */
  keep(what: string, store: () => Promise<void>): Promise<void>;
}

/** The run on these devices alone, with the workers that they have and those of nobody. Fails with `configuration` where it does not fit. */
export async function prepareOn(
  host: RunHost,
  config: RunConfig,
  devices: readonly RunDevice[],
  signal?: AbortSignal,
): Promise<PreparedRun> {
  const entries = entriesOf(config, devices);
  const prepared = await prepareFromHome(host, { ...config, devices: entries }, signal, {
    workers: placementOf(devices),
  });
  checkFits(prepared.plan);
  return prepared;
}

function checkFits(plan: Plan): void {
  const misfit = misfitOf(plan, formatBytes);
  if (misfit) throw new UserError('configuration', misfit, { key: 'devices' });
}

export class RunDevices {
  /** Settles when the changes that were asked for are done. */
  private changing: Promise<unknown> = Promise.resolve();
  private speeds: Speeds | undefined;

  constructor(private readonly run: ChangingRun) {}

  /** The run trains; returns what ends the looks at its devices. */
  watch({ workers, devices }: Plan): () => void {
    this.speeds = new Speeds(workers.map(({ flopsPerSample }) => flopsPerSample));
    if (this.run.fleet()!.devices.length < devices.length) this.replanSoon();
    const look = () =>
      this.tell(
        'workers stay where they are',
        this.inTurn(() => this.balance()),
      );
    const looking = setInterval(look, balanceEveryMs);
    return () => clearInterval(looking);
  }

  /** Steps are done. */
  add(columns: StepColumns): void {
    this.speeds?.add(columns);
  }

  /**
   * Takes a device in or lets one go, at the next step boundary; returns when that is done. Fails with `conflict` or `configuration` where it
   * cannot be, and nothing has changed then.
   */
  change(asked: DeviceRequest): Promise<void> {
    return this.inTurn(async () => {
      const { id } = this.run.record.folder;
      const fleet = this.run.fleet();
      if (!fleet) throw new UserError('conflict', `run ${id} does not train`, { key: id });
      const config = withDevices(this.run.config(), fleet.devices, asked);
      const prepared = await this.prepare(config, { workers: placementOf(fleet.devices) });
      checkFits(prepared.plan);
      await fleet.recruit(prepared);
      await this.adopt(prepared, fleet, async (step) => {
        this.run.setConfig(config);
        const { devices } = config;
        const store = () => this.run.record.changeConfig((stored) => ({ ...stored, devices }));
        await this.run.keep('the devices', store);
        const change = 'add' in asked ? 'joined' : 'left';
        const device = 'add' in asked ? asked.add.id : asked.remove;
        this.run.changed({ step, device, change, reason: '' });
        await this.run.record.folder.log(`device ${device} has ${change} (step ${step})`);
      });
    });
  }

  /** A device is lost, and others have taken over from it `step` steps after the start. */
  lost({ device, sentence }: Loss, step: number): void {
    this.speeds?.reset();
    this.run.changed({ step, device: device.id, change: 'lost', reason: sentence });
    this.replanSoon();
  }

  private replanSoon(): void {
    this.tell(
      'there is no plan of the devices that are left',
      this.inTurn(() => this.replan()),
    );
  }

  /** The plan becomes that of the devices that there are. */
  private async replan(): Promise<void> {
    const fleet = this.run.fleet();
    if (!fleet) return;
    const prepared = await this.prepare(this.present(fleet), { workers: placementOf(fleet.devices) });
    await this.tellPlan(prepared.plan);
  }

  private async balance(): Promise<void> {
    const fleet = this.run.fleet();
    if (!fleet || this.run.record.summary.state !== 'training') return;
    if (deviceEntries(this.run.config()).some(({ workers }) => workers !== undefined)) return;
    const speeds = this.speeds!.worthwhile(fleet.devices);
    if (!speeds) return;
    this.speeds!.reset();
    const prepared = await this.prepare(this.present(fleet), { workers: placementOf(fleet.devices), speeds });
    if (!prepared.plan.fits) return;
    await this.adopt(prepared, fleet, async (step) => {
      const shares = prepared.devices.map(({ id, workers }) => `${id} runs ${workers.join(', ')}`).join('; ');
      await this.run.record.folder.log(
        `workers have moved to even out the time of the devices: ${shares} (step ${step})`,
      );
    });
  }

  /** Between two steps the devices of the fleet run what was planned, and `then` follows. */
  private async adopt(prepared: PreparedRun, fleet: Fleet, then: (step: number) => Promise<void>): Promise<void> {
    const { record, requests, ended } = this.run;
    const done = requests.requestWork(async () => {
      await fleet.change(prepared);
      this.speeds!.reset();
      this.run.reseated();
      await then(record.summary.step);
      await this.tellPlan(prepared.plan);
    });
    fleet.requestStop();
    const over = ended().then(() => {
      throw new UserError('conflict', `run ${record.folder.id} has ended`, { key: record.folder.id });
    });
    await Promise.race([done, over]);
  }

  private prepare(config: RunConfig, running: Running): Promise<PreparedRun> {
    return prepareFromHome(this.run.host, config, this.run.over, running);
  }

  private present(fleet: Fleet): RunConfig {
    const config = this.run.config();
    return { ...config, devices: entriesOf(config, fleet.devices) };
  }

  private async tellPlan(plan: Plan): Promise<void> {
    const { record } = this.run;
    if (!isActive(record.summary.state)) return;
    await this.run.keep('the plan', () => record.writePlan(plan));
    this.run.replanned(plan);
  }

  /** The run goes on as before where something fails that nobody has asked for. */
  private tell(what: string, work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.run.over.aborted) void this.run.record.folder.log(`${what}: ${String(error)}`);
    });
  }

  private inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.changing.then(change);
    this.changing = changed.catch(() => undefined);
    return changed;
  }
}
