// The run that is open: loaded with getRun, kept up by its events, asked for again after a reconnect. It holds no truth of its own.

import { defineStore } from 'pinia';
import { computed, markRaw, ref, shallowRef, watch } from 'vue';
import type { Plan } from '../../src-main/contract/plan.ts';
import {
  isActive,
  type EvaluationRecord,
  type ExportFormat,
  type ExportResult,
  type MemoryRecord,
  type RunDetail,
  type RunSummary,
} from '../../src-main/contract/run.ts';
import type { RunConfig } from '../../src-main/contract/runConfig.ts';
import { RunSeries } from '../charts/runSeries.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { createFeed } from './feed.ts';
import { errorText } from './messages.ts';

export type RunAction = 'stop' | 'resume' | ExportFormat;

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
  const checkpoints = shallowRef<number[]>([]);
  const exports = shallowRef<ExportResult[]>([]);
  const pending = shallowRef<ReadonlySet<RunAction>>(new Set());
  const actionError = ref('');
  /** Whether what is here is what the app last said: false from a lost connection until the run was asked for again. */
  const fresh = ref(false);
  /** When the last event of this run came, by the page's clock. */
  const lastNewsAt = ref(0);

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
    checkpoints.value = detail.checkpoints;
    exports.value = detail.exports;
    lastNewsAt.value = Date.now();
    fresh.value = true;
  }

  function apply(event: AppEvent): void {
    const id = event.name === 'runChanged' ? event.payload.summary.id : 'runId' in event.payload && event.payload.runId;
    if (id !== runId.value || !summary.value) return;
    lastNewsAt.value = Date.now();
    switch (event.name) {
      case 'runChanged':
        return changed(event.payload.summary);
      case 'stepsAppended':
        return appended(event.payload.columns);
      case 'evaluationAppended':
        return void (evaluations.value = merged(evaluations.value, event.payload.evaluation));
      case 'memorySampled':
        return void (memory.value = thinned([...memory.value, event.payload.memory]));
      case 'checkpointWritten':
        return checkpointed(event.payload.step);
      case 'exportWritten':
        return exported(event.payload.export);
      case 'datasetImported':
      case 'settingsSaved':
        return;
    }
  }

  function changed(next: RunSummary): void {
    summary.value = next;
    if (plan.value === null) void load();
  }

  function appended(columns: RunDetail['columns']): void {
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
    const others = exports.value.filter(({ format, step }) => format !== result.format || step !== result.step);
    exports.value = [...others, result];
  }

  async function open(id: string): Promise<void> {
    if (id !== runId.value) close();
    runId.value = id;
    if (connection.isOpen) await load();
  }

  function close(): void {
    feed.stop();
    runId.value = '';
    for (const one of [summary, config, plan, series]) one.value = null;
    problem.value = actionError.value = '';
    pending.value = new Set();
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

  async function act(action: RunAction): Promise<void> {
    if (pending.value.has(action)) return;
    const id = runId.value;
    mark(action, true);
    actionError.value = '';
    try {
      const result = await perform(action, id);
      if (id !== runId.value) return;
      if ('id' in result) summary.value = result;
      else exported(result);
    } catch (error) {
      if (id === runId.value) actionError.value = errorText(error);
    } finally {
      if (id === runId.value) mark(action, false);
    }
  }

  function perform(action: RunAction, id: string): Promise<RunSummary | ExportResult> {
    if (action === 'stop') return connection.call('stopRun', { runId: id });
    if (action === 'resume') return connection.call('resumeRun', { runId: id });
    return connection.call('exportRun', { runId: id, format: action });
  }

  function mark(action: RunAction, on: boolean): void {
    const others = [...pending.value].filter((one) => one !== action);
    pending.value = new Set(on ? [...others, action] : others);
  }

  connection.onEvent(feed.receive);
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
    checkpoints,
    exports,
    pending,
    actionError,
    fresh,
    lastNewsAt,
    active,
    open,
    close,
    load,
    act,
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
