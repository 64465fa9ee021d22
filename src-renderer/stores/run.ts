// The run that is open: loaded with getRun, kept up by its events, asked for again after a reconnect and when progress was missed. It holds no truth of its own.

import { defineStore } from 'pinia';
import { computed, markRaw, ref, shallowRef, watch } from 'vue';
import { exportFormat, type ExportFormat, type WeightType } from '../../src-main/contract/exportFormat.ts';
import type { SampleLedger } from '../../src-main/contract/ledger.ts';
import type { Plan } from '../../src-main/contract/plan.ts';
import {
  isActive,
  type DeviceChange,
  type EvaluationRecord,
  type ExportResult,
  type GradientRecord,
  type MemoryRecord,
  type RunDetail,
  type RunState,
  type RunSummary,
} from '../../src-main/contract/run.ts';
import type { RunConfig } from '../../src-main/contract/runConfig.ts';
import { RunSeries } from '../charts/runSeries.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { createFeed } from './feed.ts';
import { errorText } from './messages.ts';

export type RunAction = 'pause' | 'resume' | 'stop' | 'checkpoint' | ExportFormat;

/** What can be asked of a run in this state. */
export function possibleActions(state: RunState): RunAction[] {
  if (state === 'paused') return ['checkpoint', 'stop', 'resume'];
  if (isActive(state)) return ['checkpoint', 'pause', 'stop'];
  return state === 'done' ? [] : ['resume'];
}

const isExport = (action: RunAction): action is ExportFormat =>
  (exportFormat.options as readonly string[]).includes(action);

const commandOf = {
  pause: 'pauseRun',
  resume: 'resumeRun',
  stop: 'stopRun',
  checkpoint: 'checkpointRun',
} as const;

export const useRunStore = defineStore('run', () => {
  const connection = useConnectionStore();
  const runId = ref('');
  const loading = ref(false);
  /** Why the run could not be loaded; empty otherwise. */
  const problem = ref('');
  const summary = shallowRef<RunSummary | null>(null);
  const config = shallowRef<RunConfig | null>(null);
  const plan = shallowRef<Plan | null>(null);
  /** Not reactive itself; `seriesVersion` grows with every change. */
  const series = shallowRef<RunSeries | null>(null);
  const seriesVersion = ref(0);
  const evaluations = shallowRef<EvaluationRecord[]>([]);
  const memory = shallowRef<MemoryRecord[]>([]);
  const deviceChanges = shallowRef<DeviceChange[]>([]);
  /** Devices that are asked to join or to leave. */
  const moving = shallowRef<ReadonlySet<string>>(new Set());
  /** As last measured. */
  const gradients = shallowRef<GradientRecord | null>(null);
  const checkpoints = shallowRef<number[]>([]);
  const exports = shallowRef<ExportResult[]>([]);
  const pending = shallowRef<ReadonlySet<RunAction>>(new Set());
  const actionError = ref('');
  /** Whether what is here is what the app last said: false from a lost connection until the run was asked for again. */
  const fresh = ref(false);
  /** When its devices last gave a sign of life, and when the last step came, by the page's clock. */
  const lastBeatAt = ref(0);
  const lastStepAt = ref(0);
  const log = shallowRef<string[]>([]);
  /** As it was when the run was loaded, a device changed, or it ended. */
  const ledger = shallowRef<SampleLedger | null>(null);

  const active = computed(() => summary.value !== null && isActive(summary.value.state));

  const feed = createFeed(() => connection.call('getRun', { runId: runId.value }), replace, apply);

  function replace(detail: RunDetail): void {
    summary.value = detail.summary;
    config.value = detail.config;
    plan.value = detail.plan;
    series.value = markRaw(new RunSeries(detail.config.subnetworks.workers));
    series.value.append(detail.columns);
    seriesVersion.value++;
    evaluations.value = detail.evaluations;
    memory.value = detail.memory;
    deviceChanges.value = detail.deviceChanges;
    gradients.value = detail.gradients;
    checkpoints.value = detail.checkpoints;
    exports.value = detail.exports;
    lastBeatAt.value = lastStepAt.value = Date.now();
    fresh.value = true;
    void loadRecords();
  }

  function apply(event: AppEvent): void {
    const id = event.name === 'runChanged' ? event.payload.summary.id : 'runId' in event.payload && event.payload.runId;
    if (id !== runId.value || !summary.value) return;
    if (event.name === 'stepsAppended' || event.name === 'memorySampled') lastBeatAt.value = Date.now();
    switch (event.name) {
      case 'runChanged':
        return changed(event.payload.summary);
      case 'stepsAppended':
        return appended(event.payload.columns);
      case 'evaluationAppended':
        return void (evaluations.value = merged(evaluations.value, event.payload.evaluation));
      case 'memorySampled':
        return void (memory.value = thinned([...memory.value, event.payload.memory]));
      case 'gradientsMeasured':
        return void (gradients.value = event.payload.gradients);
      case 'deviceChanged':
        deviceChanges.value = [...deviceChanges.value, event.payload.change];
        return void loadRecords();
      case 'replanned':
        return void (plan.value = event.payload.plan);
      case 'checkpointWritten':
        return checkpointed(event.payload.step);
      case 'exportWritten':
        return exported(event.payload.export);
      case 'runRemoved':
        return removed();
      case 'datasetImported':
      case 'datasetRemoved':
      case 'importChanged':
      case 'settingsSaved':
      case 'dataFolderChosen':
        return;
    }
  }

  function changed(next: RunSummary): void {
    if (next.state !== summary.value?.state) {
      lastBeatAt.value = lastStepAt.value = Date.now();
      void loadRecords();
    }
    summary.value = next;
    if (plan.value === null) void load();
  }

  function appended(columns: RunDetail['columns']): void {
    lastStepAt.value = Date.now();
    series.value?.append(columns);
    seriesVersion.value++;
    const last = columns.step.at(-1);
    if (last !== undefined && summary.value) summary.value = { ...summary.value, step: last + 1 };
  }

  /** The app keeps the newest ones only. */
  function checkpointed(step: number): void {
    const all = [...new Set([...checkpoints.value, step])].sort((a, b) => a - b);
    checkpoints.value = all.slice(-(config.value?.checkpoint.keep ?? all.length));
  }

  function exported(result: ExportResult): void {
    const isSame = ({ format, type, step }: ExportResult) =>
      format === result.format && type === result.type && step === result.step;
    const others = exports.value.filter((one) => !isSame(one));
    exports.value = [...others, result];
  }

  function removed(): void {
    summary.value = null;
    problem.value = 'It was deleted.';
  }

  async function open(id: string): Promise<void> {
    if (id !== runId.value) close();
    runId.value = id;
    if (connection.isOpen) await load();
  }

  function close(): void {
    feed.stop();
    runId.value = '';
    for (const one of [summary, config, plan, series, gradients]) one.value = null;
    problem.value = actionError.value = '';
    pending.value = new Set();
    moving.value = new Set();
  }

  async function load(): Promise<void> {
    loading.value = true;
    problem.value = '';
    try {
      await feed.reload();
    } catch (error) {
      problem.value = errorText(error);
    } finally {
      loading.value = false;
    }
  }

  /** What the app has written of it. */
  async function loadRecords(): Promise<void> {
    const id = runId.value;
    try {
      const [{ lines }, read] = await Promise.all([
        connection.call('runLog', { runId: id }),
        connection.call('sampleLedger', { runId: id }),
      ]);
      if (id === runId.value) [log.value, ledger.value] = [lines, read];
    } catch {
      // They stay as they were; what failed is told by the state itself.
    }
  }

  /** Of an export `step`, the checkpoint (default: the newest), and what GGUF stores. */
  async function act(action: RunAction, step: number | null = null, type?: WeightType): Promise<void> {
    if (pending.value.has(action)) return;
    const id = runId.value;
    mark(action, true);
    actionError.value = '';
    try {
      const result = await perform(action, id, step, type);
      if (id !== runId.value) return;
      if ('id' in result) summary.value = result;
      else exported(result);
    } catch (error) {
      if (id === runId.value) actionError.value = errorText(error);
    } finally {
      if (id === runId.value) mark(action, false);
    }
  }

  /** Takes a device in, or lets one go; the run does so at its next step. */
  async function changeDevice(command: 'addDevice' | 'removeDevice', device: string): Promise<void> {
    const id = runId.value;
    moving.value = new Set([...moving.value, device]);
    actionError.value = '';
    try {
      if (command === 'addDevice') await connection.call(command, { runId: id, device: { id: device } });
      else await connection.call(command, { runId: id, device });
    } catch (error) {
      if (id === runId.value) actionError.value = errorText(error);
    } finally {
      if (id === runId.value) moving.value = new Set([...moving.value].filter((one) => one !== device));
    }
  }

  function perform(
    action: RunAction,
    id: string,
    step: number | null,
    type?: WeightType,
  ): Promise<RunSummary | ExportResult> {
    if (isExport(action))
      return connection.call('exportRun', {
        runId: id,
        format: action,
        ...(type && { type }),
        ...(step !== null && { step }),
      });
    return connection.call(commandOf[action], { runId: id });
  }

  function mark(action: RunAction, on: boolean): void {
    const others = [...pending.value].filter((one) => one !== action);
    pending.value = new Set(on ? [...others, action] : others);
  }

  function catchUp(): void {
    lastBeatAt.value = lastStepAt.value = Date.now();
    if (runId.value) void load();
  }

  connection.onEvent(feed.receive);
  watch(() => connection.missed, catchUp, { flush: 'sync' });
  watch(
    () => [connection.isOpen, connection.epoch],
    () => {
      fresh.value = false;
      if (runId.value && connection.isOpen) void load();
    },
    { flush: 'sync' },
  );

  return {
    runId,
    loading,
    problem,
    summary,
    config,
    plan,
    series,
    seriesVersion,
    evaluations,
    memory,
    deviceChanges,
    moving,
    gradients,
    checkpoints,
    exports,
    pending,
    actionError,
    fresh,
    lastBeatAt,
    lastStepAt,
    log,
    ledger,
    active,
    open,
    close,
    load,
    act,
    changeDevice,
  };
});

const mostMemory = 1000;

/** Every other one goes where there are too many; the newest stays. */
function thinned(records: MemoryRecord[]): MemoryRecord[] {
  return records.length <= mostMemory ? records : records.filter((_, index) => (records.length - index) % 2 === 1);
}

/** By step; a record of the same or a later step that is already there was of a run before it was resumed. */
function merged(all: EvaluationRecord[], next: EvaluationRecord): EvaluationRecord[] {
  return [...all.filter(({ step }) => step < next.step), next];
}
