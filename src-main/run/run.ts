// The life of one run: prepare, train in segments between evaluations and checkpoints, evaluate, save, and say the truth about it.
//
// The owner of the run's state: every change is stored in state.json, then told as an event. stop() ends training at a step boundary with a
// checkpoint, pause() holds it there; the loss of a device or a full disk ends the run as failed, with the last checkpoint as it was.

import type { AppEvents } from '../contract/events.ts';
import { UserError } from '../contract/errors.ts';
import type { DeviceMemory, GradientRecord, RunState, RunSummary } from '../contract/run.ts';
import { isActive } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { getDataset } from '../data/catalogue.ts';
import { contentFingerprint, knownFingerprint } from '../data/fingerprint.ts';
import type { RunDevice } from '../device/discover.ts';
import type { MemorySample } from '../native.ts';
import type { EventHub } from '../transport/events.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { Fleet } from './fleet.ts';
import { GradientWatch } from './gradientWatch.ts';
import { measuredMemory } from './measuredMemory.ts';
import { evaluationOf } from './metrics.ts';
import { LossCurveBuilder } from './lossCurve.ts';
import { MetricsLog } from './metricsLog.ts';
import { openFleet, prepareFromHome, type RunHost, type Start } from './openFleet.ts';
import type { PreparedRun } from './prepare.ts';
import { Requests } from './requests.ts';
import type { RunFolder } from './runFolder.ts';
import { learningRate } from './schedule.ts';
import { StepMerger } from './stepMerger.ts';

/** Milliseconds between two step events, two summaries and two measured gradients while training, and two records of memory in the log. */
const stepsEveryMs = 200;
const summaryEveryMs = 1000;
const gradientsEveryMs = 2000;
const memoryLoggedEveryMs = 5000;

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

  constructor(
    private readonly host: RunHost,
    private readonly events: EventHub<AppEvents>,
    readonly folder: RunFolder,
    private configuration: RunConfig,
    private current: RunSummary,
    from: Start,
  ) {
    this.curve = new LossCurveBuilder(current.curve, current.step);
    this.ended = this.live(from);
  }

  get summary(): RunSummary {
    return this.current;
  }

  get config(): RunConfig {
    return this.configuration;
  }

  /** Gives it another name, in its configuration too. */
  async rename(name: string): Promise<void> {
    await this.folder.changeConfig((config) => ({ ...config, name }));
    this.configuration = { ...this.configuration, name };
    this.current = { ...this.current, name };
    await this.folder.writeState(this.current);
    this.tell();
  }

  /** Ends the run at the next step boundary with a checkpoint; returns when it has ended. */
  async stop(): Promise<void> {
    this.requests.requestStop();
    this.fleet?.requestStop();
    await this.ended;
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

  private async live(from: Start): Promise<void> {
    try {
      const prepared = await this.prepare(from);
      await this.train(prepared);
    } catch (error) {
      await this.fail(error);
    } finally {
      this.over.abort();
      await this.fleet?.close();
      this.fleet = undefined;
    }
  }

  private async prepare(from: Start): Promise<PreparedRun> {
    await this.change('preparing');
    const prepared = await prepareFromHome(this.host, this.config);
    await this.lookAtDataset();
    await this.folder.writePlan(prepared.plan);
    this.fleet = await openFleet(this.host, prepared, from, {
      onRecords: (records) => this.merger?.add(records),
      onMemory: (device, pid, sample) => this.noticeMemory(prepared, device, pid, sample),
      unneeded: this.requests.stopped,
    });
    return prepared;
  }

  /** Compares the dataset's bytes with those of the steps so far: at once where that is cheap, else while the run goes on. */
  private async lookAtDataset(): Promise<void> {
    const { home } = this.host;
    const dataset = await getDataset(home, this.config.data.dataset);
    const before = this.current.fingerprint || dataset.fingerprint;
    const { step } = this.current;
    const since = step === 0 ? 'it was imported' : `the run's first ${step} steps: they were trained on other samples`;
    const notice = async (found: string) => {
      this.current = { ...this.current, fingerprint: found };
      if (found !== before) {
        const warning = `dataset ${dataset.name} has changed since ${since}`;
        await this.folder.log(`warning: ${warning}`);
        this.current = { ...this.current, warning };
      }
      this.tell();
    };
    const known = await knownFingerprint(home, dataset);
    await notice(known ?? before);
    if (known !== undefined) return;
    contentFingerprint(home, dataset, this.over.signal)
      .then(notice)
      .catch((error: unknown) => this.folder.log(`the dataset was not checked: ${(error as Error).message}`));
  }

  private async train(prepared: PreparedRun): Promise<void> {
    const { training } = this.config;
    const log = await MetricsLog.open(this.folder.path, this.folder.file('metrics.jsonl'), this.current.step);
    this.log = log;
    this.elapsedMs = log.elapsedMs;
    this.merger = new StepMerger(
      prepared.devices.map((device) => device.workers),
      (step) => learningRate(training, step),
      this.current.step,
      log.elapsedMs,
    );
    this.watch = new GradientWatch(this.fleet!.store, prepared);
    const timers = [
      setInterval(() => this.tellSteps(log), stepsEveryMs),
      setInterval(() => this.tellGradients(), gradientsEveryMs),
      setInterval(() => this.tell(), summaryEveryMs),
    ];
    try {
      while (this.current.step < training.steps && !this.requests.stop) {
        await this.segment(prepared, log);
        await this.serveRequests();
      }
      if (!this.requests.stop) await this.evaluate(prepared, log);
      await this.save();
      await log.flush();
      await this.change(this.requests.stop ? 'stopped' : 'done', this.requests.stop ? 'stopped on request' : '');
    } finally {
      timers.forEach(clearInterval);
      this.tellSteps(log);
      this.tellGradients();
      this.log = undefined;
      await log.close();
    }
  }

  /** Trains up to the next evaluation or checkpoint, and does what is due there; the end of training has its own. */
  private async segment(prepared: PreparedRun, log: MetricsLog): Promise<void> {
    const { training, evaluation, checkpoint } = this.config;
    await this.change('training');
    const from = this.current.step;
    const to = Math.min(nextDue(from, evaluation.every), nextDue(from, checkpoint.every), training.steps);
    const rates = Array.from({ length: to - from }, (_, offset) => learningRate(training, from + offset));
    const { step } = await this.fleet!.train(from, rates);
    this.current = { ...this.current, step };
    this.tellSteps(log);
    this.tellGradients();
    await log.flush();
    if (this.requests.stop || step === training.steps || step === from) return;
    if (evaluation.every > 0 && step % evaluation.every === 0) await this.evaluate(prepared, log);
    if (checkpoint.every > 0 && step % checkpoint.every === 0) await this.save();
  }

  /** What was asked for meanwhile: a checkpoint now, a pause until it is ended. */
  private async serveRequests(): Promise<void> {
    const { requests } = this;
    if (!requests.stop) this.fleet!.clearStop();
    if (requests.saveWanted) await this.save();
    while (requests.pause && !requests.stop) {
      await this.change('paused');
      await this.fleet!.orLost(requests.standStill());
      if (requests.saveWanted) await this.save();
    }
    if (!requests.stop) this.fleet!.clearStop();
  }

  /** Evaluates the full network; given up without a result where a stop is asked for meanwhile. */
  private async evaluate(prepared: PreparedRun, log: MetricsLog): Promise<void> {
    await this.change('evaluating');
    const startedAt = performance.now();
    const result = await Promise.race([this.fleet!.evaluate(prepared.evaluationSamples), this.requests.stopped]);
    if (!result) return;
    const tokens = prepared.setup.evaluation.source.kind === 'tokens';
    const record = evaluationOf(result, { step: this.current.step, tokens, startedAt });
    log.appendEvaluation(record);
    this.current = { ...this.current, accuracy: record.accuracy, perplexity: record.perplexity };
    this.events.emit('evaluationAppended', { runId: this.folder.id, evaluation: record });
  }

  private async save(): Promise<void> {
    await this.change('saving');
    await writeCheckpoint(this.folder, this.fleet!.store, this.current.step, this.config.checkpoint.keep);
    this.events.emit('checkpointWritten', { runId: this.folder.id, step: this.current.step });
    this.requests.saved();
  }

  private async fail(error: unknown): Promise<void> {
    const sentence = error instanceof Error ? error.message : String(error);
    const checkpoints = await this.folder.checkpoints();
    const at = this.current.state === 'training' ? ` at step ${this.current.step}` : ` while ${this.current.state}`;
    const saved =
      checkpoints.length > 0 ? `the last checkpoint is of step ${checkpoints.at(-1)}` : 'there is no checkpoint yet';
    const resumable = error instanceof UserError && (error.code === 'device' || error.code === 'storage');
    if (!(error instanceof UserError))
      await this.folder.log(error instanceof Error ? (error.stack ?? sentence) : sentence);
    await this.change('failed', resumable ? `${sentence}${at}; ${saved}` : sentence).catch(() => {
      this.current = { ...this.current, state: 'failed', reason: sentence };
      this.tell();
    });
  }

  private async change(state: RunState, reason = ''): Promise<void> {
    if (this.current.state === state && this.current.reason === reason && state === 'training') return;
    this.current = { ...this.current, state, reason };
    await this.folder.log(`${state}${reason ? `: ${reason}` : ''} (step ${this.current.step})`);
    try {
      await this.folder.writeState(this.current);
      if (this.gradients && this.gradients !== this.storedGradients) await this.folder.writeGradients(this.gradients);
      this.storedGradients = this.gradients;
    } finally {
      this.tell();
    }
  }

  private tell(): void {
    this.events.emit('runChanged', { summary: this.current });
  }

  private tellSteps(log: MetricsLog): void {
    const columns = this.merger?.take();
    if (!columns || columns.step.length === 0) return;
    columns.step.forEach((step, row) =>
      this.curve.add(
        step,
        columns.loss.map((losses) => losses[row]!),
      ),
    );
    this.elapsedMs = columns.elapsedMs.at(-1)!;
    const step = Math.max(this.current.step, columns.step.at(-1)! + 1);
    this.current = { ...this.current, step, curve: this.curve.value };
    log.appendSteps(columns);
    this.events.emit('stepsAppended', { runId: this.folder.id, columns });
  }

  private tellGradients(): void {
    const gradients = this.watch?.take();
    if (!gradients) return;
    this.gradients = gradients;
    this.events.emit('gradientsMeasured', { runId: this.folder.id, gradients });
  }

  private noticeMemory(prepared: PreparedRun, device: RunDevice, pid: number, sample: MemorySample): void {
    if (!isActive(this.current.state)) return;
    this.memory.set(device.id, measuredMemory(device.id, pid, sample, this.memory.get(device.id)));
    const devices = [...this.memory.values()];
    const memory = { step: this.current.step, elapsedMs: this.elapsedMs, devices };
    this.events.emit('memorySampled', { runId: this.folder.id, memory });
    if (devices.length < prepared.devices.length || performance.now() - this.memoryLoggedAt < memoryLoggedEveryMs)
      return;
    this.memoryLoggedAt = performance.now();
    this.log?.appendMemory(memory);
  }
}

/** The next multiple of `every` after `step`; never, where it is 0. */
function nextDue(step: number, every: number): number {
  return every === 0 ? Infinity : (Math.floor(step / every) + 1) * every;
}
