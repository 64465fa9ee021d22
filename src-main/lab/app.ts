// The app behind every host: handlers of the contract, one event stream, the active run.
//
// One run is active at a time in a data folder, whichever process it is of: its device processes take the machine (hold.ts). Everything about runs that are not active is read from disk.

import { formatBytes } from '../contract/bytes.ts';
import { appVersion } from '../contract/version.ts';
import type { Sample } from '../contract/commands.ts';
import type { AppEvents } from '../contract/events.ts';
import type { ExportChoices, ExportFormat } from '../contract/exportFormat.ts';
import { UserError } from '../contract/errors.ts';
import { optimizerSpec } from '../contract/optimizers.ts';
import type { SampleLedger } from '../contract/ledger.ts';
import { misfitOf, type Plan } from '../contract/plan.ts';
import { optimizerSlots } from '../contract/records.ts';
import { isActive, noLoss, type ExportResult, type RunDetail, type RunSummary } from '../contract/run.ts';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { listDatasets } from '../data/catalogue.ts';
import { inspectDataset } from '../data/import.ts';
import { ensureSample, sampleDatasets } from '../data/samples.ts';
import { listDevices } from '../device/discover.ts';
import { sampleDevices } from '../device/load.ts';
import type { AppHandlers, AppHost } from '../host/appHost.ts';
import { removeStaleSockets, serveControl } from '../host/control.ts';
import { EventHub } from '../transport/events.ts';
import { checkRoom, findCheckpoint, wholeCheckpoint } from '../records/checkpoint.ts';
import { chooseDataFolder, dataFolderOf } from './dataFolder.ts';
import { evaluateRun, exportRun } from '../run/evaluateRun.ts';
import { Datasets } from './datasets.ts';
import { diagnoseHome } from './doctor.ts';
import { holdTraining } from '../records/hold.ts';
import { dropLeftStore, removeStaleStores, withLeftStore } from '../records/leftStores.ts';
import { saveLeft } from '../run/saveLeft.ts';
import { changesOfResults } from '../records/configChanges.ts';
import { Imports } from './imports.ts';
import { readMetrics } from '../records/readMetrics.ts';
import { readLedger } from '../records/sampleLedger.ts';
import { planFromHome, type RunHost, type Start } from '../fleet/openFleet.ts';
import type { DeviceRequest } from '../run/deviceChanges.ts';
import { Run } from '../run/run.ts';
import { RunFolder } from '../records/runFolder.ts';
import { listRuns, type RunList } from '../records/runList.ts';
import { removeUnfinishedRuns, RunRecord } from '../records/runRecord.ts';
import { Playground } from './playground.ts';
import { logFile, openLog, reportBug } from '../log/log.ts';
import { readSettings, writeSettings } from './settings.ts';
import { samples } from './samples.ts';

/** Rows of a run's series that a page gets at first; more are thinned out evenly. */
const maxRows = 4000;
const mostLogLines = 500;

export interface StartOptions {
  /** Starts a run even where a device has no room for it. */
  force?: boolean;
  /** Ends the planning; the run is not begun. */
  signal?: AbortSignal;
}

export interface ResumeOptions extends StartOptions {
  /** Goes on with a configuration that was changed in ways that change results. */
  acceptChanges?: boolean;
  /** The checkpoint of this step, and not the newest whole one; 0: from the start. */
  checkpoint?: number;
}

/** What the command line uses beyond the contract. */
export interface App extends AppHost {
  plan(config: RunConfig): Promise<Plan>;
  /** Starts a run of a checked configuration; its id. */
  start(config: RunConfig, options?: StartOptions): Promise<string>;
  resume(runId: string, options?: ResumeOptions): Promise<RunSummary>;
  /** Ends a run at a step boundary with a checkpoint; returns when it has ended. */
  stop(runId: string): Promise<RunSummary>;
  evaluate(runId: string, step?: number): ReturnType<typeof evaluateRun>;
  export(runId: string, format: ExportFormat, options: ExportChoices): Promise<ExportResult>;
  ledger(runId: string): Promise<SampleLedger>;
  /** Waits for the end of an active run; its last summary. */
  whenEnded(runId: string): Promise<RunSummary>;
  /** Ends the active run with a checkpoint. */
  close(): Promise<void>;
}

export async function createApp(host: RunHost): Promise<App> {
  openLog(logFile(host.home));
  await Promise.all([removeStaleStores(), removeStaleSockets()]);
  const lab = new Lab(host);
  return {
    handlers: lab.handlers(),
    events: lab.events,
    plan: (config) => lab.plan(config),
    start: (config, options) => lab.start(config, options),
    resume: (runId, options) => lab.resume(runId, options),
    stop: (runId) => lab.stop(runId),
    evaluate: (runId, step) => evaluateRun(host, lab.folder(runId), step),
    export: (runId, format, options) => lab.export(runId, format, options),
    ledger: (runId) => lab.ledger(runId),
    whenEnded: (runId) => lab.whenEnded(runId),
    close: () => lab.close(),
  };
}

class Lab {
  readonly events = new EventHub<AppEvents>();
  private readonly runs = new Map<string, Run>();
  /** By run: settles when it has ended and another can train. */
  private readonly released = new Map<string, Promise<void>>();
  private readonly datasets: Datasets;
  private readonly playground: Playground;
  private readonly imports: Imports;
  /** Aborted when the app closes: what it plans for a start is given up then. */
  private readonly closing = new AbortController();
  private readonly beginnings = new Set<Promise<unknown>>();

  constructor(private readonly host: RunHost) {
    this.imports = new Imports(host.home, this.events);
    const folderOf = (runId: string) => this.folder(runId);
    this.playground = new Playground(host, folderOf, (runId, step) => this.export(runId, 'onnx', { step }));
    this.datasets = new Datasets(
      host.home,
      this.events,
      async () => (await this.list()).runs,
      (runId) => this.runs.delete(runId),
    );
  }

  handlers(): AppHandlers {
    const { home, spawnDevice } = this.host;
    return {
      snapshot: async () => {
        const sequence = this.events.sequence;
        const [{ datasets, damaged }, list, { devices }, settings, dataFolder] = await Promise.all([
          listDatasets(home),
          this.list(),
          listDevices(spawnDevice),
          readSettings(home),
          dataFolderOf(home),
        ]);
        return {
          version: appVersion,
          sequence,
          devices,
          datasets,
          damagedDatasets: damaged.map(({ key, message }) => ({ name: key!, problem: message })),
          runs: list.runs,
          damagedRuns: list.damaged.map(({ key, message }) => ({ id: key!, problem: message })),
          samples: [...samples],
          settings,
          dataFolder,
          imports: this.imports.list(),
        };
      },
      sampleDevices: () => sampleDevices(),
      diagnose: ({ purpose }) => diagnoseHome(home, purpose),
      saveSettings: async (settings) => {
        await writeSettings(home, settings);
        this.events.emit('settingsSaved', { settings });
        return settings;
      },
      chooseDataFolder: async ({ folder }) => {
        const offer = await chooseDataFolder(home, folder);
        if (offer === null) this.events.emit('dataFolderChosen', { dataFolder: await dataFolderOf(home) });
        return { offer };
      },
      planRun: ({ config }, { signal }) => this.plan(parseRunConfig(config), signal),
      startRun: async ({ config }) => ({ runId: await this.start(parseRunConfig(config)) }),
      startSample: async ({ sampleId }) => ({ runId: await this.start(findSample(sampleId).config) }),
      stopRun: ({ runId }) => this.stop(runId),
      pauseRun: async ({ runId }) => {
        const run = this.active(runId);
        await run.pause();
        return run.summary;
      },
      resumeRun: ({ runId }) => this.goOn(runId),
      checkpointRun: async ({ runId }) => {
        const run = this.active(runId);
        await run.checkpoint();
        return run.summary;
      },
      addDevice: ({ runId, device }) => this.changeDevices(runId, { add: device }),
      removeDevice: ({ runId, device }) => this.changeDevices(runId, { remove: device }),
      renameRun: ({ runId, name: to }) => this.rename(runId, to),
      deleteRun: ({ runId }) => this.delete(runId),
      runLog: async ({ runId }) => ({ lines: await this.folder(runId).lastLogLines(mostLogLines) }),
      getRun: ({ runId }) => this.detail(runId),
      sampleLedger: ({ runId }) => this.ledger(runId),
      exportRun: ({ runId, format, ...options }) => this.export(runId, format, options),
      ...this.datasets.handlers(),
      ...this.playground.handlers(),
      inspectDataset: ({ paths, options }) => inspectDataset(home, paths, options),
      startImport: (spec) => ({ importId: this.imports.start(spec) }),
      cancelImport: ({ importId }) => this.imports.cancel(importId),
    };
  }

  folder(runId: string): RunFolder {
    return new RunFolder(this.host.home, runId);
  }

  async stop(runId: string): Promise<RunSummary> {
    const run = this.active(runId);
    await run.stop();
    return run.summary;
  }

  private async changeDevices(runId: string, asked: DeviceRequest): Promise<RunSummary> {
    const run = this.active(runId);
    await run.changeDevices(asked);
    return run.summary;
  }

  private active(runId: string): Run {
    const run = this.runs.get(runId);
    if (!run || !isActive(run.summary.state)) throw new UserError('conflict', `run ${runId} is not active`);
    return run;
  }

  /** A paused run goes on where it is; one that has ended starts from its newest whole checkpoint. */
  private async goOn(runId: string): Promise<RunSummary> {
    const run = this.runs.get(runId);
    if (run?.summary.state !== 'paused') return this.resume(runId);
    run.unpause();
    return run.summary;
  }

  private async rename(runId: string, name: string): Promise<RunSummary> {
    const run = this.runs.get(runId);
    if (run && isActive(run.summary.state)) {
      await run.rename(name);
      return run.summary;
    }
    await this.leaving();
    const record = await RunRecord.open(this.folder(runId));
    await record.rename(name).finally(() => record.close());
    this.runs.delete(runId);
    this.events.emit('runChanged', { summary: record.summary });
    return record.summary;
  }

  private async delete(runId: string): Promise<Record<string, never>> {
    const run = this.runs.get(runId);
    if (run && isActive(run.summary.state)) throw new UserError('conflict', `run ${runId} is active; stop it first`);
    await this.leaving();
    await RunRecord.delete(this.folder(runId), () => this.playground.leave(runId));
    await removeStaleStores();
    this.runs.delete(runId);
    this.events.emit('runRemoved', { runId });
    return {};
  }

  async whenEnded(runId: string): Promise<RunSummary> {
    const run = this.runs.get(runId);
    await this.released.get(runId);
    return run?.summary ?? (await this.folder(runId).readState());
  }

  async export(runId: string, format: ExportFormat, options: ExportChoices): Promise<ExportResult> {
    const folder = this.folder(runId);
    const result = await exportRun(this.host, folder, format, options);
    await folder.addExport(result);
    this.events.emit('exportWritten', { runId, export: result });
    return result;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.allSettled(this.beginnings);
    const active = [...this.runs.values()].filter((run) => isActive(run.summary.state));
    await Promise.all([this.imports.close(), this.playground.close(), ...active.map((run) => run.stop())]);
    await Promise.all(this.released.values());
  }

  async plan(config: RunConfig, signal = this.closing.signal): Promise<Plan> {
    await this.importSample(config.data.dataset, this.closing.signal);
    return await planFromHome(this.host, config, signal);
  }

  /** Checks what can be checked before the run exists, so that a bad configuration leaves no folder. */
  async start(config: RunConfig, { force = false, signal }: StartOptions = {}): Promise<string> {
    const run = await this.beginning(async () => {
      const plan = await this.planWithRoom(config, force, signal);
      const begun = {
        name: config.name,
        state: 'preparing' as const,
        reason: '',
        step: 0,
        steps: config.training.steps,
        createdAt: new Date().toISOString(),
        accuracy: null,
        perplexity: null,
        curve: noLoss,
        dataset: config.data.dataset,
        fingerprint: '',
        warning: '',
      };
      const record = await RunRecord.create(this.host.home, config, plan, begun);
      const from: Start = { kind: 'fresh', seed: config.training.seed };
      return await this.launch(record, () => from);
    });
    return run.folder.id;
  }

  async resume(runId: string, options: ResumeOptions = {}): Promise<RunSummary> {
    const folder = this.folder(runId);
    await folder.readState();
    const run = await this.beginning(async () => {
      const record = await RunRecord.open(folder);
      return await this.launch(record, () => this.goingOn(record, options));
    });
    return run.summary;
  }

  /** Prepares the record of a run to go on; where from. */
  private async goingOn(
    record: RunRecord,
    { force = false, signal, acceptChanges = false, checkpoint }: ResumeOptions,
  ): Promise<Start> {
    const { folder, summary } = record;
    if (summary.state === 'done')
      throw new UserError('conflict', `run ${folder.id} is done; there is nothing to resume`);
    const config = await folder.readConfig();
    if (checkpoint === undefined) await saveLeft(record);
    const hasNone = (await folder.checkpoints()).length === 0;
    const from: Start =
      checkpoint === 0 || (hasNone && checkpoint === undefined)
        ? { kind: 'fresh', seed: config.training.seed }
        : { kind: 'checkpoint', folder, step: checkpoint, optimizer: true };
    const step = from.kind === 'fresh' ? 0 : await findCheckpoint(folder, checkpoint);
    const changed = await acceptedChanges(folder, config, from, acceptChanges);
    const plan = await this.planWithRoom(config, force, signal);
    await record.keepTrained();
    await record.writePlan(plan);
    const restarted = hasNone ? 'it had no checkpoint, and started again from step 0' : '';
    const told = [restarted, changed].filter((sentence) => sentence !== '');
    for (const sentence of told) await folder.log(`warning: ${sentence}`);
    // What was said of steps that are trained anew is said no more, nor is their dataset compared with.
    const before = from.kind === 'fresh' ? { warning: '', fingerprint: '' } : summary;
    const warning = [before.warning, ...told].filter((sentence) => sentence !== '').join('; ');
    const { name, training } = config;
    record.set({
      name,
      step,
      steps: training.steps,
      state: 'preparing',
      reason: '',
      fingerprint: before.fingerprint,
      warning,
    });
    await record.store();
    await dropLeftStore(folder);
    return from;
  }

  /** Launches a run while nobody else trains in the data folder; that right goes with the end of the run, or of `begin` where it fails. */
  private async beginning(begin: () => Promise<Run>): Promise<Run> {
    const begun = this.holdAndBegin(begin);
    this.beginnings.add(begun);
    return await begun.finally(() => this.beginnings.delete(begun));
  }

  private async holdAndBegin(begin: () => Promise<Run>): Promise<Run> {
    await this.leaving();
    const training = await holdTraining(this.host.home);
    if (!training) throw await this.otherActive();
    const end = await this.listen();
    try {
      await removeUnfinishedRuns(this.host.home);
      const run = await begin();
      const released = run.ended.then(end).then(() => training.close());
      this.released.set(run.folder.id, released);
      return run;
    } catch (error) {
      await end();
      training.close();
      throw error;
    }
  }

  /** Lets other commands ask for something of the run. It trains also where they cannot. */
  private async listen(): Promise<() => Promise<void>> {
    try {
      return await serveControl(this.host.home, { handlers: this.handlers(), events: this.events });
    } catch (error) {
      reportBug(error);
      return () => Promise.resolve();
    }
  }

  /** Waits for the runs that have said that they ended and still close their devices. */
  private async leaving(): Promise<void> {
    const ending = [...this.runs.values()].filter((run) => !isActive(run.summary.state));
    for (const run of ending) await this.released.get(run.folder.id);
  }

  private async otherActive(): Promise<UserError> {
    const active = (await this.list()).runs.find((run) => isActive(run.state));
    if (!active) return new UserError('conflict', 'another run is being started; one can be active at a time');
    const where = this.runs.has(active.id) ? '' : ' in another process';
    return new UserError('conflict', `run ${active.id} is active${where}; stop it before starting another`);
  }

  /** Fails where the run cannot be prepared, or a device has no room for it, or the disk none for a checkpoint. */
  private async planWithRoom(config: RunConfig, force: boolean, signal?: AbortSignal): Promise<Plan> {
    const either = AbortSignal.any([this.closing.signal, ...(signal ? [signal] : [])]);
    await this.importSample(config.data.dataset, either);
    const plan = await this.plan(config, either);
    if (either.aborted) throw new UserError('cancelled', 'planning was cancelled');
    const misfit = misfitOf(plan, formatBytes);
    if (misfit && !force) throw new UserError('configuration', misfit, { key: 'devices' });
    const slots = optimizerSlots(optimizerSpec(config.training)).length;
    if (!force) await checkRoom(this.host.home, 4 * (1 + slots) * plan.model.parameters);
    return plan;
  }

  /** Imports a dataset that comes with the app, on first use. */
  private async importSample(name: string, signal: AbortSignal): Promise<void> {
    if (!sampleDatasets.includes(name)) return;
    const { datasets } = await listDatasets(this.host.home);
    if (datasets.some((dataset) => dataset.name === name)) return;
    this.events.emit('datasetImported', { dataset: await ensureSample(this.host.home, name, { signal }) });
  }

  /** Where `from` succeeds, the record is the run's from there on. */
  private async launch(record: RunRecord, from: () => Start | Promise<Start>): Promise<Run> {
    try {
      const start = await from();
      const run = new Run(this.host, this.events, record, await record.folder.readConfig(), start);
      this.runs.set(record.folder.id, run);
      return run;
    } catch (error) {
      await record.close();
      throw error;
    }
  }

  /** Those that have only just begun are not on the disk yet, and come first. */
  private async list(): Promise<RunList> {
    const { runs: stored, damaged } = await listRuns(this.host.home);
    const begun = [...this.runs.values()].filter(({ folder }) => !stored.some(({ id }) => id === folder.id));
    const known = stored.map((summary) => this.runs.get(summary.id)?.summary ?? summary);
    return {
      runs: [...begun.map((run) => run.summary), ...known],
      damaged: damaged.filter(({ key }) => !this.runs.has(key!)),
    };
  }

  async ledger(runId: string): Promise<SampleLedger> {
    const folder = this.folder(runId);
    await folder.readState();
    await this.runs.get(runId)?.logged();
    return await readLedger(folder.file('metrics.jsonl'));
  }

  private async detail(runId: string): Promise<RunDetail> {
    const folder = this.folder(runId);
    const run = this.runs.get(runId);
    await run?.logged();
    const summary = run?.summary ?? (await withLeftStore(folder, await folder.readState()));
    const config = run?.config ?? (await folder.readConfig());
    const { columns, evaluations, memory, deviceChanges } = await readMetrics(
      folder.file('metrics.jsonl'),
      config.subnetworks.workers,
      maxRows,
    );
    return {
      summary,
      config,
      plan: await folder.readPlan(),
      columns,
      evaluations,
      memory,
      deviceChanges,
      gradients: run?.gradients ?? (await folder.readGradients()),
      checkpoints: await folder.checkpoints(),
      exports: await folder.exports(),
    };
  }
}

/** What has changed in a configuration since its checkpoint, as a sentence; empty: nothing. Fails where that is not accepted. */
async function acceptedChanges(
  folder: RunFolder,
  { training }: RunConfig,
  from: Start,
  accept: boolean,
): Promise<string> {
  const trained = await folder.trained();
  const changes = trained ? changesOfResults(trained, await folder.toTrain()) : [];
  const latest = from.kind === 'fresh' ? 0 : await findCheckpoint(folder, from.step);
  if (changes.length === 0 && latest <= training.steps) return '';
  // Newer ones may be damaged, and then it goes on from an earlier one.
  const { step } = from.kind === 'fresh' ? { step: 0 } : await wholeCheckpoint(folder, from.step, true);
  if (training.steps < step) changes.push(`training.steps, ${training.steps}, below the checkpoint of step ${step}`);
  if (changes.length === 0) return '';
  if (accept) return `from step ${step} on the run has another configuration: ${changes.join('; ')}`;
  const remedy = `undo that in ${folder.file('config.yaml')}, or continue with "sdp resume ${folder.id} --accept-changes"`;
  throw new UserError(
    'configuration',
    `the configuration of run ${folder.id} was changed in ways that change its results: ${changes.join('; ')}; ${remedy}`,
    { key: folder.id },
  );
}

function findSample(sampleId: string): Sample {
  const sample = samples.find((candidate) => candidate.id === sampleId);
  if (!sample)
    throw new UserError('usage', `there is no sample "${sampleId}"; known: ${samples.map((s) => s.id).join(', ')}`);
  return sample;
}
