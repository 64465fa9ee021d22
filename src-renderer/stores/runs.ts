// The list of runs, newest first, and the commands that start one. Filled from the catalogue's snapshot, kept up by events.

import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { DamagedRun } from '../../src-main/contract/commands.ts';
import type { RunSummary } from '../../src-main/contract/run.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { errorText } from './messages.ts';

export const useRunsStore = defineStore('runs', () => {
  const connection = useConnectionStore();
  const summaries = shallowRef<RunSummary[]>([]);
  const damaged = shallowRef<DamagedRun[]>([]);
  /** Sample id that is being started; null: none. */
  const starting = ref<string | null>(null);
  const startError = ref('');

  function replace(all: RunSummary[], allDamaged = damaged.value): void {
    summaries.value = [...all].sort(newestFirst);
    damaged.value = allDamaged;
  }

  function apply(event: AppEvent): void {
    if (event.name === 'runChanged') {
      const { summary } = event.payload;
      replace([...summaries.value.filter(({ id }) => id !== summary.id), summary]);
    } else if (event.name === 'runRemoved') {
      const isLeft = ({ id }: { id: string }) => id !== event.payload.runId;
      replace(summaries.value.filter(isLeft), damaged.value.filter(isLeft));
    } else if (event.name === 'stepsAppended') {
      const last = event.payload.columns.step.at(-1);
      const known = summaries.value.find(({ id }) => id === event.payload.runId);
      if (!known || last === undefined) return;
      replace(summaries.value.map((one) => (one === known ? { ...one, step: last + 1 } : one)));
    }
  }

  /** Id of the started run, or null where it failed; `startError` then says why. */
  async function startSample(sampleId: string): Promise<string | null> {
    starting.value = sampleId;
    startError.value = '';
    try {
      return (await connection.call('startSample', { sampleId })).runId;
    } catch (error) {
      startError.value = errorText(error);
      return null;
    } finally {
      starting.value = null;
    }
  }

  return { summaries, damaged, starting, startError, replace, apply, startSample };
});

function newestFirst(a: RunSummary, b: RunSummary): number {
  return b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id);
}
