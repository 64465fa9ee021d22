// The run that is being configured: the form's values and the plan that the app makes of them, asked for again shortly after each change.

import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { UserError } from '../../src-main/contract/errors.ts';
import type { Plan } from '../../src-main/contract/plan.ts';
import { parseRunConfig, type RunConfig } from '../../src-main/contract/runConfig.ts';
import { fieldOfKey, formValues, rawConfig, type FieldValue } from '../forms/fields.ts';
import { useConnectionStore } from './connection.ts';
import { errorText } from './messages.ts';

export interface DraftProblem {
  /** Field that it belongs to; empty: to none of them. */
  key: string;
  text: string;
}

const settleMs = 250;

export const useDraftStore = defineStore('draft', () => {
  const connection = useConnectionStore();
  const values = ref(formValues());
  /** Plan of the last configuration that had one. */
  const plan = shallowRef<Plan | null>(null);
  const problem = shallowRef<DraftProblem | null>(null);
  const planning = ref(false);
  const starting = ref(false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;

  /** Whether `plan` is that of the values as they stand. */
  const current = computed(() => plan.value !== null && problem.value === null && !planning.value);

  /** Starts from a configuration, or from the defaults. */
  function begin(config?: RunConfig): void {
    values.value = formValues(config);
    plan.value = null;
    schedule(0);
  }

  function set(key: string, value: FieldValue): void {
    values.value = { ...values.value, [key]: value };
    schedule(settleMs);
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
    } catch (error) {
      if (mine === running && !mine.signal.aborted) problem.value = problemOf(error);
    } finally {
      if (mine === running && !mine.signal.aborted) planning.value = false;
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

  return { values, plan, problem, planning, starting, current, begin, set, start, leave };
});

function problemOf(error: unknown): DraftProblem {
  const key = error instanceof UserError ? error.key : undefined;
  return { key: fieldOfKey(key)?.key ?? '', text: errorText(error) };
}
