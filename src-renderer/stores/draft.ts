// The run that is being configured: the form's values, the plan that the app makes of them, asked for again shortly after each change, and
// the plan of the same run as plain data parallelism, to compare with. It outlives the view, so that nothing that was typed is lost.

import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { UserError } from '../../src-main/contract/errors.ts';
import type { Plan } from '../../src-main/contract/plan.ts';
import { parseRunConfig, type RunConfig } from '../../src-main/contract/runConfig.ts';
import { fieldOfKey, formValues, rawConfig, type FieldValue, type FormValues } from '../forms/fields.ts';
import { withConsequences } from '../forms/sliders.ts';
import { useConnectionStore } from './connection.ts';
import { errorText } from './messages.ts';

export interface DraftProblem {
  /** Dotted key in the configuration; empty: of none. */
  key: string;
  /** Field that it belongs to; empty: to none of them. */
  field: string;
  text: string;
}

const editPauseMs = 120;

export const useDraftStore = defineStore('draft', () => {
  const connection = useConnectionStore();
  const values = ref(formValues());
  /** What the draft began with, in words; empty: nothing yet. */
  const source = ref('');
  const changed = ref(false);
  /** Plan of the last configuration that had one. */
  const plan = shallowRef<Plan | null>(null);
  /** The same with every worker holding everything; null while it is not known. */
  const whole = shallowRef<Plan | null>(null);
  const problem = shallowRef<DraftProblem | null>(null);
  const planning = ref(false);
  const starting = ref(false);
  let wholeKey = '';
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;

  /** Whether `plan` is that of the values as they stand. */
  const current = computed(() => plan.value !== null && problem.value === null && !planning.value);

  /** Starts from a configuration, or from the defaults. */
  function begin(config?: RunConfig, from = 'the defaults'): void {
    values.value = formValues(config);
    source.value = from;
    changed.value = false;
    plan.value = whole.value = null;
    schedule(0);
  }

  function set(id: string, value: FieldValue): void {
    replace(withConsequences(id, value, values.value));
  }

  function setAll(next: FormValues): void {
    replace({ ...values.value, ...next });
  }

  function replace(next: FormValues): void {
    values.value = next;
    changed.value = true;
    schedule(editPauseMs);
  }

  function schedule(delayMs: number): void {
    clearTimeout(timer);
    running?.abort();
    planning.value = true;
    timer = setTimeout(() => void preview(), delayMs);
  }

  async function preview(): Promise<void> {
    const mine = (running = new AbortController());
    try {
      const config = parseRunConfig(rawConfig(values.value));
      const result = await connection.call('planRun', { config }, { signal: mine.signal });
      if (mine !== running) return;
      plan.value = result;
      problem.value = null;
      void compareWithWhole(config, mine);
    } catch (error) {
      if (mine === running && !mine.signal.aborted) problem.value = problemOf(error);
    } finally {
      if (mine === running && !mine.signal.aborted) planning.value = false;
    }
  }

  /** Asked for once for every configuration that differs in more than its masks. */
  async function compareWithWhole(config: RunConfig, mine: AbortController): Promise<void> {
    const { subnetworks } = config;
    const { plan: _file, ...rest } = {
      ...subnetworks,
      coverage: subnetworks.workers,
      assignment: 'count',
      seed: 0,
    } as const;
    const dataParallel = { ...config, subnetworks: rest };
    const key = JSON.stringify(dataParallel);
    if (key === wholeKey && whole.value) return;
    whole.value = null;
    try {
      const result = await connection.call('planRun', { config: dataParallel }, { signal: mine.signal });
      if (mine !== running) return;
      whole.value = result;
      wholeKey = key;
    } catch {
      // The run itself is planned; without the comparison it is shown alone.
    }
  }

  /** Id of the started run, or null where it failed; `problem` then says why. */
  async function start(): Promise<string | null> {
    starting.value = true;
    try {
      const config = parseRunConfig(rawConfig(values.value));
      return (await connection.call('startRun', { config })).runId;
    } catch (error) {
      problem.value = problemOf(error);
      return null;
    } finally {
      starting.value = false;
    }
  }

  function leave(): void {
    clearTimeout(timer);
    running?.abort();
  }

  watch(
    () => connection.epoch,
    () => {
      if (problem.value || planning.value) schedule(0);
    },
  );

  return {
    values,
    source,
    changed,
    plan,
    whole,
    problem,
    planning,
    starting,
    current,
    begin,
    set,
    setAll,
    start,
    leave,
    schedule,
  };
});

function problemOf(error: unknown): DraftProblem {
  const key = error instanceof UserError ? (error.key ?? '') : '';
  return { key, field: fieldOfKey(key || undefined)?.key ?? '', text: errorText(error) };
}
