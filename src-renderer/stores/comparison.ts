// The runs that are compared: each loaded once with getRun and kept up by its events. Asked for again after a reconnect and when progress was missed.

import { defineStore } from 'pinia';
import { computed, markRaw, ref, shallowRef, watch } from 'vue';
import type { RunDetail } from '../../src-main/contract/run.ts';
import type { ComparedRun } from '../charts/comparison.ts';
import { RunSeries } from '../charts/runSeries.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { errorText } from './messages.ts';

export const useComparisonStore = defineStore('comparison', () => {
  const connection = useConnectionStore();
  const chosen = shallowRef<readonly string[]>([]);
  const loaded = shallowRef<ReadonlyMap<string, ComparedRun>>(new Map());
  /** Why a run could not be loaded, by its id. */
  const problems = shallowRef<ReadonlyMap<string, string>>(new Map());
  /** Grows with every change of the series. */
  const version = ref(0);

  const runs = computed(() => chosen.value.flatMap((id) => loaded.value.get(id) ?? []));
  const loading = computed(() => chosen.value.some((id) => !loaded.value.has(id) && !problems.value.has(id)));

  function choose(ids: readonly string[]): void {
    chosen.value = ids;
    loaded.value = new Map([...loaded.value].filter(([id]) => ids.includes(id)));
    problems.value = new Map();
    for (const id of ids) if (!loaded.value.has(id)) void load(id);
  }

  async function load(id: string): Promise<void> {
    if (!connection.isOpen) return;
    try {
      put(id, await connection.call('getRun', { runId: id }));
    } catch (error) {
      loaded.value = new Map([...loaded.value].filter(([one]) => one !== id));
      problems.value = new Map([...problems.value, [id, errorText(error)]]);
    }
  }

  function put(id: string, detail: RunDetail): void {
    if (!chosen.value.includes(id)) return;
    const series = markRaw(new RunSeries(detail.config.subnetworks.workers));
    series.append(detail.columns);
    loaded.value = new Map([...loaded.value, [id, { id, detail, series }]]);
    version.value++;
  }

  function apply(event: AppEvent): void {
    const id = event.name === 'runChanged' ? event.payload.summary.id : 'runId' in event.payload && event.payload.runId;
    const run = id ? loaded.value.get(id) : undefined;
    if (!run) return;
    if (event.name === 'runRemoved') return choose(chosen.value.filter((one) => one !== id));
    const { detail } = run;
    if (event.name === 'stepsAppended') run.series.append(event.payload.columns);
    else if (event.name === 'runChanged') replace(run, { ...detail, summary: event.payload.summary });
    else if (event.name === 'evaluationAppended')
      replace(run, { ...detail, evaluations: [...detail.evaluations, event.payload.evaluation] });
    version.value++;
  }

  function replace(run: ComparedRun, detail: RunDetail): void {
    loaded.value = new Map([...loaded.value, [run.id, { ...run, detail }]]);
  }

  connection.onEvent(apply);
  watch(
    () => [connection.epoch, connection.missed],
    () => {
      problems.value = new Map();
      for (const id of chosen.value) void load(id);
    },
  );

  return { chosen, runs, problems, loading, version, choose };
});
