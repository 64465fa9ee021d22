// The life of one run: prepare, train in segments between evaluations and checkpoints, evaluate, save, and say the truth about it.
//
// The owner of the run's record: every change is stored, then told as an event. stop() ends training at a step boundary with a
// checkpoint, or at the last one where the next is far; pause() holds it there; the loss of a device ends the run as failed. Weights come
// first: they are saved before anything else is done, and when anything else has failed, wherever they are those of a whole step. What a full
// disk refuses meanwhile is tried again.

import type { AppEvents } from '../contract/events.ts';
import { UserError } from '../contract/errors.ts';
import type { DeviceMemory, EvaluationRecord, GradientRecord, RunState, RunSummary } from '../contract/run.ts';
import { isActive, stoppedOnRequest } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { getDataset } from '../data/catalogue.ts';
import { contentFingerprint, knownFingerprint } from '../data/fingerprint.ts';
import type { RunDevice } from '../device/discover.ts';
import { reportBug } from '../log/log.ts';
import type { MemorySample } from '../native.ts';
import type { EventHub } from '../transport/events.ts';
import type { FoundCheckpoint } from '../records/checkpoint.ts';
import type { DeviceRequest } from './deviceChanges.ts';
import { divergence, remedyOf } from './divergence.ts';
import type { Fleet, Loss } from '../fleet/fleet.ts';
import { GradientWatch } from '../fleet/gradientWatch.ts';
import { measuredMemory } from '../fleet/measuredMemory.ts';
import { evaluationOf } from './metrics.ts';
import { LossCurveBuilder } from '../records/lossCurve.ts';
import { MetricsLog } from '../records/metricsLog.ts';
import { openFleet, prepareFromHome, type RunHost, type Start } from '../fleet/openFleet.ts';
import type { PreparedRun } from '../plan/prepare.ts';
import { Requests } from './requests.ts';
import { prepareOn, RunDevices } from './runDevices.ts';
import type { RunFolder } from '../records/runFolder.ts';
import type { RunRecord } from '../records/runRecord.ts';
import { isRefusal, patiently, Saver } from './saver.ts';
import { learningRate } from './schedule.ts';
import { StepMerger } from '../records/stepMerger.ts';

/** Milliseconds between two step events, two summaries and two measured gradients while training, and two records of memory in the log. */
const stepsEveryMs = 200;
const summaryEveryMs = 1000;
const gradientsEveryMs = 2000;
const memoryLoggedEveryMs = 5000;
/** Until a checkpoint that could not be written is tried again, and before each of the last tries at the end of a run. */
const checkpointAgainMs = 30_000;
/** Until what is in progress is given up, a step or the plan, where the run is to end. */
const giveUpAfterMs = 5000;
const lastTriesMs = [500, 1000, 2000, 4000];

export class Run {
  /** Last measured memory, by device. */
  private readonly memory = new Map<string, DeviceMemory>();
  /** As last measured. */
  gradients: GradientRecord | null = null;
  /** Settles when the run has ended and everything is written; never rejects. */
  readonly ended: Promise<void>;
  private readonly requests = new Requests();
  private fleet: Fleet | undefined;
  private log: MetricsLog | undefined;
  private merger: StepMerger | undefined;
  private watch: GradientWatch | undefined;
  private storedGradients: GradientRecord | null = null;
  private curve: LossCurveBuilder;
  private elapsedMs = 0;
  private memoryLoggedAt = 0;
  /** Aborted when the run has ended. */
  private readonly over = new AbortController();
  /** What the user should know, by its subject. */
  private readonly warnings = new Map<string, string>();
  private readonly saver: Saver;
  /** Steps whose parameters were evaluated last. */
  private evaluatedStep: number | undefined;
  /** Whether the parameters are those of the current step: nobody trains. */
  private isAtRest = false;
  /** Since when nobody trains. */
  private restedAt = 0;
  private readonly devices: RunDevices;
  private checkpointDue: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: RunHost,
    private readonly events: EventHub<AppEvents>,
    /** Closed when the run has ended. */
    private readonly record: RunRecord,
    private configuration: RunConfig,
    from: Start,
  ) {
    const { curve, step, warning } = record.summary;
    this.curve = new LossCurveBuilder(curve, step);
    if (warning !== '') this.warnings.set('before', warning);
    this.devices = this.ownDevices();
    this.saver = new Saver(record, {
      onBegin: () => this.change('saving'),
      onSaved: (step) => this.events.emit('checkpointWritten', { runId: this.folder.id, step }),
    });
    this.ended = this.live(from);
  }

  get folder(): RunFolder {
    return this.record.folder;
  }

  get summary(): RunSummary {
    return this.record.summary;
  }

  get config(): RunConfig {
    return this.configuration;
  }

  /** Until the steps that were told are in the log, or the disk has refused them. */
  async logged(): Promise<void> {
    await this.log?.flush();
  }

  /** Gives it another name, in its configuration too. */
  async rename(name: string): Promise<void> {
    await this.record.rename(name);
    this.configuration = { ...this.configuration, name };
    this.tell();
  }

  /** Ends the run at the next step boundary with a checkpoint, or at the last one where the next takes long; returns when it has ended. */
  async stop(): Promise<void> {
    this.requests.requestStop();
    this.fleet?.requestStop();
    const givingUp = setTimeout(() => {
      this.requests.giveUp();
      void this.fleet?.giveUp(giveUpAfterMs);
    }, giveUpAfterMs);
    await this.ended;
    clearTimeout(givingUp);
  }

  /** Holds the run at the next step boundary, devices and all; returns when it stands still or has ended. */
  async pause(): Promise<void> {
    this.requests.setPause(true);
    this.fleet?.requestStop();
    await Promise.race([this.requests.paused, this.ended]);
  }

  /** Lets a paused run go on. */
  unpause(): void {
    this.requests.setPause(false);
  }

  /** Writes a checkpoint at the next step boundary; returns when it is written or the run has ended. */
  async checkpoint(): Promise<void> {
    const saved = this.requests.requestSave();
    this.fleet?.requestStop();
    await Promise.race([saved, this.ended]);
  }

  /** Takes a device in or lets one go, at the next step boundary; see RunDevices. */
  changeDevices(asked: DeviceRequest): Promise<void> {
    return this.devices.change(asked);
  }

  private async live(from: Start): Promise<void> {
    try {
      const prepared = await this.prepare(from);
      await this.train(prepared);
    } catch (error) {
      if (this.requests.stop && error instanceof UserError && error.code === 'cancelled')
        return await this.endUnplanned();
      const isSaved = await this.rescue();
      if (isSaved && this.fleet?.hasGivenUp) await this.endStopped((error as Error).message);
      else await this.fail(error);
    } finally {
      this.over.abort();
      await this.fleet?.close();
      this.fleet = undefined;
      await this.saver.settled();
      clearTimeout(this.checkpointDue);
      await this.record.close();
    }
  }

  private async prepare(from: Start): Promise<PreparedRun> {
    await this.change('preparing');
    const prepared = await prepareFromHome(this.host, this.config, this.requests.late);
    this.fleet = await openFleet(this.host, prepared, from, {
      onRecords: (records) => this.merger?.add(records),
      onMemory: (device, pid, sample) => this.noticeMemory(device, pid, sample),
      onLoss: (loss) => this.noticeLoss(loss),
      replan: (devices) => prepareOn(this.host, this.configuration, devices, this.over.signal),
      unneeded: this.requests.stopped,
      run: this.folder,
      onCheckpoint: (found) => this.noticeCheckpoint(found),
    });
    // Now it is known how many steps the checkpoint has that it goes on from.
    await this.lookAtDataset();
    return prepared;
  }

  /** Compares the dataset's bytes with those of the steps so far: at once where that is cheap, else while the run goes on. */
  private async lookAtDataset(): Promise<void> {
    const { home } = this.host;
    const dataset = await getDataset(home, this.config.data.dataset);
    const before = this.summary.fingerprint || dataset.fingerprint;
    const { step } = this.summary;
    const since = step === 0 ? 'it was imported' : `the run's first ${step} steps: they were trained on other samples`;
    const notice = (found: string) => {
      this.record.set({ fingerprint: found });
      if (found !== before) this.warn('dataset', `dataset ${dataset.name} has changed since ${since}`);
      this.tell();
    };
    const known = await knownFingerprint(home, dataset);
    notice(known ?? before);
    if (known !== undefined) return;
    contentFingerprint(home, dataset, this.over.signal)
      .then(notice)
      .catch((error: unknown) => this.folder.log(`the dataset was not checked: ${(error as Error).message}`));
  }

  /** Says where the run goes on, where that is not its newest checkpoint. */
  private noticeCheckpoint({ step, isNewest, problems }: FoundCheckpoint): void {
    // Those of later steps go when the next is written, also where that is of this step.
    if (isNewest) this.saver.savedStep = step;
    if (problems.length === 0) return;
    this.record.set({ step });
    this.curve = new LossCurveBuilder(this.summary.curve, step);
    this.warn('resume', `the run continues from step ${step}, since ${problems.join('; ')}`);
  }

  /** The run goes on without a device. */
  private noticeLoss(loss: Loss): void {
    const { device, sentence, step, devices } = loss;
    const done = step ?? this.summary.step;
    if (this.merger) this.reseat(done);
    const others = devices.map(({ id }) => id).join(', ');
    this.warn(`device ${device.id}`, `${sentence}; the run goes on from step ${done} on ${others}`);
    this.devices.lost(loss, done);
  }

  /** Its devices as what concerns them alone sees the run. */
  private ownDevices(): RunDevices {
    const { host, record, requests } = this;
    const runId = this.folder.id;
    return new RunDevices({
      host,
      record,
      requests,
      over: this.over.signal,
      ended: () => this.ended,
      fleet: () => (this.log ? this.fleet : undefined),
      config: () => this.configuration,
      setConfig: (config) => (this.configuration = config),
      reseated: () => this.reseat(this.summary.step),
      changed: (change) => {
        this.log?.appendDeviceChange(change);
        if (change.change === 'joined') this.warn(`device ${change.device}`, '');
        this.events.emit('deviceChanged', { runId, change });
      },
      replanned: (plan) => this.events.emit('replanned', { runId, plan }),
      keep: (what, store) => keptUp(this.folder, what, store),
    });
  }

  /** Who runs what has changed, `done` steps after the start. */
  private reseat(done: number): void {
    const { merger, fleet } = this;
    const from = merger!.firstMissing;
    merger!.resume(
      done,
      fleet!.store.notes(from, Math.max(from, done)),
      fleet!.devices.map(({ workers }) => workers),
    );
    const ids = new Set(fleet!.devices.map(({ id }) => id));
    for (const id of this.memory.keys()) if (!ids.has(id)) this.memory.delete(id);
  }

  /** Tells the user in one sentence, once; an empty one takes back what was said of the subject. */
  private warn(subject: string, sentence: string): void {
    if ((this.warnings.get(subject) ?? '') === sentence) return;
    if (sentence === '') this.warnings.delete(subject);
    else this.warnings.set(subject, sentence);
    void this.folder.log(sentence === '' ? `no longer so: ${subject}` : `warning: ${sentence}`);
    this.record.set({ warning: [...this.warnings.values()].join('; ') });
    this.tell();
  }

  private async train(prepared: PreparedRun): Promise<void> {
    const { training } = this.config;
    const log = await MetricsLog.open(this.folder.path, this.folder.file('metrics.jsonl'), this.summary.step);
    log.describe(this.config, prepared.plan, this.summary.step);
    log.appendSampling({ step: this.summary.step, ...prepared.sampling });
    this.log = log;
    this.elapsedMs = log.before.elapsedMs;
    this.noticeEvaluation(log.before.evaluation);
    this.merger = new StepMerger(
      this.fleet!.devices.map((device) => device.workers),
      (step) => learningRate(training, step),
      this.summary.step,
      this.elapsedMs,
    );
    this.watch = new GradientWatch(this.fleet!.store, prepared);
    const unwatch = this.devices.watch(prepared.plan);
    const timers = [
      setInterval(() => this.tellSteps(log), stepsEveryMs),
      setInterval(() => this.tellGradients(), gradientsEveryMs),
      setInterval(() => this.tell(), summaryEveryMs),
    ];
    this.isAtRest = true;
    this.dueIn(this.config.checkpoint.minutes * 60_000);
    try {
      // It was ended before it had come to that.
      if (isDue(this.summary.step, this.config.evaluation.every)) await this.evaluate(prepared, log);
      while (this.summary.step < training.steps && !this.requests.stop) {
        await this.segment(prepared, log);
        await this.serveRequests();
      }
      await this.save(lastTriesMs);
      if (!this.requests.stop) await this.evaluate(prepared, log);
      if (!this.requests.stop) log.finish();
      await this.closeLog(log);
      await (this.requests.stop ? this.endStopped() : this.changeAtLast('done', ''));
    } finally {
      timers.forEach(clearInterval);
      unwatch();
      if (this.log) await this.closeLog(log);
    }
  }

  private async closeLog(log: MetricsLog): Promise<void> {
    this.tellSteps(log);
    this.tellGradients();
    this.log = undefined;
    await log.close();
    this.warn('metrics', log.loss);
  }

  /** A checkpoint is asked for after so many milliseconds; 0: never. */
  private dueIn(ms: number): void {
    clearTimeout(this.checkpointDue);
    if (ms > 0) this.checkpointDue = setTimeout(() => void this.checkpoint(), ms);
  }

  /** Trains up to the next evaluation or checkpoint, and does what is due there; the end of training has its own. */
  private async segment(prepared: PreparedRun, log: MetricsLog): Promise<void> {
    const { training, evaluation, checkpoint } = this.config;
    const from = this.summary.step;
    const to = Math.min(nextDue(from, evaluation.every), nextDue(from, checkpoint.every), training.steps);
    const rates = Array.from({ length: to - from }, (_, offset) => learningRate(training, from + offset));
    this.isAtRest = false;
    const [{ step, fault }] = await Promise.all([this.fleet!.train(from, rates), this.change('training')]);
    this.isAtRest = true;
    this.restedAt = performance.now();
    this.record.set({ step });
    this.tellSteps(log);
    this.tellGradients();
    await log.flush();
    this.warn('metrics', log.loss);
    if (fault) {
      // It may be of no use: those that are there stay.
      await this.trySave(lastTriesMs, checkpoint.keep + 1);
      const remedy = remedyOf(this.folder.id, this.folder.file('config.yaml'));
      throw divergence(fault, step, learningRate(training, step), remedy);
    }
    if (this.requests.stop || step === training.steps || step === from) return;
    if (isDue(step, checkpoint.every)) await this.beginSave();
    if (isDue(step, evaluation.every)) await this.evaluate(prepared, log);
  }

  /** What was asked for meanwhile: a checkpoint now, a pause until it is ended. */
  private async serveRequests(): Promise<void> {
    const { requests } = this;
    if (!requests.stop) this.fleet!.clearStop();
    await requests.work();
    if (requests.saveWanted) await this.beginSave();
    while (requests.pause && !requests.stop) {
      await this.change('paused');
      await this.fleet!.meanwhile(requests.standStill());
      await requests.work();
      if (requests.saveWanted) await this.beginSave();
    }
    if (!requests.stop) this.fleet!.clearStop();
  }

  private noticeEvaluation(evaluation: EvaluationRecord | undefined): void {
    if (!evaluation) return;
    this.evaluatedStep = evaluation.step;
    this.record.set({ accuracy: evaluation.accuracy, perplexity: evaluation.perplexity });
  }

  /** Evaluates the full network, unless these parameters were; given up without a result where a stop is asked for meanwhile. */
  private async evaluate(prepared: PreparedRun, log: MetricsLog): Promise<void> {
    if (this.evaluatedStep === this.summary.step) return;
    await this.change('evaluating');
    const startedAt = performance.now();
    const result = await Promise.race([this.fleet!.evaluate(prepared.evaluationSamples), this.requests.stopped]);
    if (!result) return;
    const tokens = prepared.setup.evaluation.source.reads.kind === 'tokens';
    const measured = evaluationOf(result, { step: this.summary.step, tokens, startedAt });
    log.appendEvaluation(measured);
    const isFinite = measured.loss !== null;
    this.warn('evaluation', isFinite ? '' : `the loss of the full network at step ${measured.step} is not finite`);
    this.noticeEvaluation(measured);
    this.events.emit('evaluationAppended', { runId: this.folder.id, evaluation: measured });
  }

  /** Writes a checkpoint while nobody trains; tries again after each of the pauses. */
  private async save(pauses: readonly number[] = [], keep = this.config.checkpoint.keep): Promise<void> {
    await this.saver.save(this.fleet!.store, this.summary.step, keep, pauses);
    this.noticeSaved(this.requests.takeSaves());
  }

  /** The same while the run goes on; where that fails, it goes on without, and tries again later. */
  private async trySave(...how: Parameters<Run['save']>): Promise<void> {
    try {
      await this.save(...how);
    } catch (error) {
      this.noticeUnsaved(error, this.summary.step, this.requests.takeSaves());
    }
  }

  /** Begins to write a checkpoint beside the next steps, which wait for a copy in memory only. */
  private async beginSave(): Promise<void> {
    const { step } = this.summary;
    const begun = await this.saver.begin(this.fleet!.store, step, this.config.checkpoint.keep, this.restedAt);
    if (!begun) return await this.trySave();
    const answer = this.requests.takeSaves();
    void begun.written.then(
      () => this.noticeSaved(answer),
      (error: unknown) => isRefusal(error) && this.noticeUnsaved(error, step, answer),
    );
  }

  private noticeSaved(answer: () => void): void {
    this.warn('checkpoint', '');
    answer();
    this.dueIn(this.config.checkpoint.minutes * 60_000);
  }

  private noticeUnsaved(error: unknown, step: number, answer: () => void): void {
    if (!isRefusal(error)) throw error;
    this.warn('checkpoint', `the checkpoint of step ${step} could not be written: ${error.message}`);
    answer();
    this.dueIn(checkpointAgainMs);
  }

  /** Saves the parameters of a run that something has ended, where they are those of a step. Returns whether they are saved. */
  private async rescue(): Promise<boolean> {
    await this.fleet?.endDevices();
    await this.saver.settled();
    const step = this.isAtRest ? this.summary.step : (this.fleet?.wholeStep ?? null);
    if (step === null || (step === 0 && !this.requests.stop)) return false;
    const { state, step: told } = this.summary;
    this.record.set({ step });
    if (step > told) this.warn('steps', lackOfSteps(step - told, step));
    await this.save().catch((error: unknown) => this.folder.log(`the parameters could not be saved: ${String(error)}`));
    this.record.set({ state });
    return this.saver.savedStep === step;
  }

  private async fail(error: unknown): Promise<void> {
    const sentence = error instanceof UserError ? error.message : reportBug(error);
    const code = error instanceof UserError ? error.code : undefined;
    const checkpoints = await this.folder.checkpoints().catch(() => []);
    const ended = this.summary.state === 'training' ? ` at step ${this.summary.step}` : ` while ${this.summary.state}`;
    const at = code === 'divergence' ? '' : ended;
    const saved =
      checkpoints.length > 0 ? `the last checkpoint is of step ${checkpoints.at(-1)}` : 'there is no checkpoint yet';
    const resumable = code === 'device' || code === 'storage' || code === 'divergence';
    if (code === undefined) await this.folder.log(error instanceof Error ? (error.stack ?? sentence) : sentence);
    await this.changeAtLast('failed', resumable ? `${sentence}${at}; ${saved}` : sentence);
  }

  private async change(state: RunState, reason = ''): Promise<void> {
    if (this.summary.state === state && this.summary.reason === reason && state === 'training') return;
    this.record.set({ state, reason });
    await this.folder.log(`${state}${reason ? `: ${reason}` : ''} (step ${this.summary.step})`);
    try {
      await this.store();
    } catch (error) {
      // The run does not end for that: the next change is stored as well.
      if (!isRefusal(error)) throw error;
      await this.folder.log(`the state could not be stored: ${error.message}`);
    } finally {
      this.tell();
    }
  }

  /** Nothing has been done: its parameters are those of the newest checkpoint, also where it was to go on from an earlier one. */
  private async endUnplanned(): Promise<void> {
    this.record.set({ step: (await this.folder.checkpoints()).at(-1) ?? 0 });
    await this.endStopped('while it was planned');
  }

  private endStopped(...how: string[]): Promise<void> {
    return this.changeAtLast('stopped', [stoppedOnRequest, ...how].join('; '));
  }

  /** To a state that the run ends with; told in any case. */
  private async changeAtLast(state: RunState, reason: string): Promise<void> {
    this.record.set({ state, reason });
    await this.folder.log(`${state}${reason ? `: ${reason}` : ''} (step ${this.summary.step})`);
    await patiently(() => this.store(), lastTriesMs).catch(() => undefined);
    this.tell();
  }

  private async store(): Promise<void> {
    await this.record.store();
    if (this.gradients && this.gradients !== this.storedGradients) await this.record.writeGradients(this.gradients);
    this.storedGradients = this.gradients;
  }

  private tell(): void {
    this.events.emit('runChanged', { summary: this.summary });
  }

  private tellSteps(log: MetricsLog): void {
    const columns = this.merger?.take();
    if (!columns || columns.step.length === 0) return;
    this.devices.add(columns);
    columns.step.forEach((step, row) =>
      this.curve.add(
        step,
        columns.loss.map((losses) => losses[row]!),
      ),
    );
    this.elapsedMs = columns.elapsedMs.at(-1)!;
    const step = Math.max(this.summary.step, columns.step.at(-1)! + 1);
    this.record.set({ step, curve: this.curve.value });
    log.appendSteps(columns);
    this.events.emit('stepsAppended', { runId: this.folder.id, columns });
  }

  private tellGradients(): void {
    const gradients = this.watch?.take();
    if (!gradients) return;
    this.gradients = gradients;
    this.events.emit('gradientsMeasured', { runId: this.folder.id, gradients });
  }

  private noticeMemory(device: RunDevice, pid: number, sample: MemorySample): void {
    if (!isActive(this.summary.state)) return;
    this.memory.set(device.id, measuredMemory(device.id, pid, sample, this.memory.get(device.id)));
    const devices = [...this.memory.values()];
    const memory = { step: this.summary.step, elapsedMs: this.elapsedMs, devices };
    this.events.emit('memorySampled', { runId: this.folder.id, memory });
    if (
      devices.length < (this.fleet?.devices.length ?? Infinity) ||
      performance.now() - this.memoryLoggedAt < memoryLoggedEveryMs
    )
      return;
    this.memoryLoggedAt = performance.now();
    this.log?.appendMemory(memory);
  }
}

/** Stores what a run can go on without where the disk refuses it. */
async function keptUp(folder: RunFolder, what: string, store: () => Promise<void>): Promise<void> {
  try {
    await store();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await folder.log(`${what} could not be stored: ${error.message}`);
  }
}

const isDue = (step: number, every: number): boolean => step > 0 && every > 0 && step % every === 0;

/** The next multiple of `every` after `step`; never, where it is 0. */
function nextDue(step: number, every: number): number {
  return every === 0 ? Infinity : (Math.floor(step / every) + 1) * every;
}

const lackOfSteps = (count: number, step: number): string =>
  `${count === 1 ? 'the metrics of the last step' : `the metrics of the last ${count} steps`} before step ${step} are missing: a device ended before it had reported them`;
