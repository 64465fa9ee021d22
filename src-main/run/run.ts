// The life of one run: prepare, train in segments between evaluations and checkpoints, evaluate, save, and say the truth about it.
//
// The owner of the run's state: every change is stored in state.json, then told as an event. stop() ends training at a step boundary with a
// checkpoint; the loss of a device or a full disk ends the run as failed, with the last checkpoint as it was.

import type { AppEvents } from '../contract/events.ts';
import { UserError } from '../contract/errors.ts';
import type { DeviceMemory, ExportResult, RunState, RunSummary } from '../contract/run.ts';
import { isActive } from '../contract/run.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import type { RunDevice } from '../device/discover.ts';
import type { MemorySample } from '../native.ts';
import type { EventHub } from '../transport/events.ts';
import { writeCheckpoint } from './checkpoint.ts';
import type { Fleet } from './fleet.ts';
import { measuredMemory } from './measuredMemory.ts';
import { evaluationOf } from './metrics.ts';
import { MetricsLog } from './metricsLog.ts';
import { openFleet, prepareFromHome, type RunHost, type Start } from './openFleet.ts';
import type { PreparedRun } from './prepare.ts';
import type { RunFolder } from './runFolder.ts';
import { learningRate } from './schedule.ts';
import { StepMerger } from './stepMerger.ts';

/** Milliseconds between two step events (20 a second), and between two summaries while training. */
const stepsEveryMs = 50;
const summaryEveryMs = 1000;

export class Run {
  /** Last measured memory, by device. */
  readonly memory = new Map<string, DeviceMemory>();
  /** Settles when the run has ended and everything is written; never rejects. */
  readonly ended: Promise<void>;
  private stopRequested = false;
  private announceStop!: () => void;
  private readonly stopAnnounced = new Promise<void>((resolve) => (this.announceStop = resolve));
  private fleet: Fleet | undefined;

  constructor(
    private readonly host: RunHost,
    private readonly events: EventHub<AppEvents>,
    readonly folder: RunFolder,
    readonly config: RunConfig,
    /** Exports so far; the owner of the exports appends. */
    readonly exports: ExportResult[],
    private current: RunSummary,
    from: Start,
  ) {
    this.ended = this.live(from);
  }

  get summary(): RunSummary {
    return this.current;
  }

  /** Ends the run at the next step boundary with a checkpoint; returns when it has ended. */
  async stop(): Promise<void> {
    this.stopRequested = true;
    this.announceStop();
    this.fleet?.requestStop();
    await this.ended;
  }

  private async live(from: Start): Promise<void> {
    try {
      const prepared = await this.prepare(from);
      await this.train(prepared);
    } catch (error) {
      await this.fail(error);
    } finally {
      await this.fleet?.close();
      this.fleet = undefined;
    }
  }

  private async prepare(from: Start): Promise<PreparedRun> {
    await this.change('preparing');
    const prepared = await prepareFromHome(this.host, this.config);
    await this.folder.writePlan(prepared.plan);
    this.fleet = await openFleet(this.host, prepared, from, {
      onRecords: (records) => this.merger?.add(records),
      onMemory: (device, pid, sample) => this.noticeMemory(prepared, device, pid, sample),
    });
    return prepared;
  }

  private merger: StepMerger | undefined;

  private async train(prepared: PreparedRun): Promise<void> {
    const { training } = this.config;
    const log = await MetricsLog.open(this.folder.path, this.folder.file('metrics.jsonl'), this.current.step);
    this.merger = new StepMerger(
      prepared.devices.map((device) => device.workers),
      (step) => learningRate(training, step),
      this.current.step,
    );
    const timers = [
      setInterval(() => this.tellSteps(log), stepsEveryMs),
      setInterval(() => this.tell(), summaryEveryMs),
    ];
    try {
      while (this.current.step < training.steps && !this.stopRequested) await this.segment(prepared, log);
      if (!this.stopRequested) await this.evaluate(prepared, log);
      await this.save();
      await log.flush();
      await this.change(this.stopRequested ? 'stopped' : 'done', this.stopRequested ? 'stopped on request' : '');
    } finally {
      timers.forEach(clearInterval);
      this.tellSteps(log);
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
    await log.flush();
    if (this.stopRequested || step === training.steps) return;
    if (evaluation.every > 0 && step % evaluation.every === 0) await this.evaluate(prepared, log);
    if (checkpoint.every > 0 && step % checkpoint.every === 0) await this.save();
  }

  /** Evaluates the full network; given up without a result where a stop is asked for meanwhile. */
  private async evaluate(prepared: PreparedRun, log: MetricsLog): Promise<void> {
    await this.change('evaluating');
    const startedAt = performance.now();
    const result = await Promise.race([this.fleet!.evaluate(prepared.evaluationSamples), this.stopAnnounced]);
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
      await this.folder.writeState(this.current, this.exports);
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
    this.current = { ...this.current, step: Math.max(this.current.step, columns.step.at(-1)! + 1) };
    log.appendSteps(columns);
    this.events.emit('stepsAppended', { runId: this.folder.id, columns });
  }

  private noticeMemory(prepared: PreparedRun, device: RunDevice, pid: number, sample: MemorySample): void {
    if (!isActive(this.current.state)) return;
    const predicted = prepared.plan.devices.find((planned) => planned.id === device.id)!.memory;
    this.memory.set(device.id, measuredMemory(device.id, pid, predicted, sample));
    this.events.emit('memorySampled', { runId: this.folder.id, memory: [...this.memory.values()] });
  }
}

/** The next multiple of `every` after `step`; never, where it is 0. */
function nextDue(step: number, every: number): number {
  return every === 0 ? Infinity : (Math.floor(step / every) + 1) * every;
}
