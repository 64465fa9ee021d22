// The import of a dataset: what was dropped or typed, and how it goes.

import { defineStore } from 'pinia';
import { ref } from 'vue';
import type { Dataset } from '../../src-main/contract/commands.ts';
import type { Preload } from '../../src-main/transport/page.ts';
import { useConnectionStore } from './connection.ts';
import { errorText } from './messages.ts';

export const useImportStore = defineStore('importing', () => {
  const connection = useConnectionStore();
  const path = ref('');
  const name = ref('');
  /** What was dropped and has no path that the page may know. */
  const nameless = ref('');
  const running = ref(false);
  const error = ref('');
  const imported = ref<Dataset | null>(null);
  let abort: AbortController | undefined;

  /** Files dropped on the window. On the desktop they have a path; several are imported by the folder that they lie in. */
  function offer(files: readonly File[]): void {
    const first = files[0];
    if (!first) return;
    error.value = '';
    imported.value = null;
    const { sdpLab } = window as typeof window & { sdpLab?: Preload };
    const found = sdpLab?.pathForFile(first) ?? '';
    path.value = files.length > 1 ? found.replace(/[\\/][^\\/]+$/, '') : found;
    nameless.value = found ? '' : first.name;
  }

  async function start(): Promise<boolean> {
    running.value = true;
    error.value = '';
    imported.value = null;
    abort = new AbortController();
    const params = { path: path.value.trim(), ...(name.value.trim() ? { name: name.value.trim() } : {}) };
    try {
      imported.value = await connection.call('importDataset', params, { signal: abort.signal });
      path.value = name.value = nameless.value = '';
      return true;
    } catch (failure) {
      if (!abort.signal.aborted) error.value = errorText(failure);
      return false;
    } finally {
      running.value = false;
    }
  }

  function cancel(): void {
    abort?.abort();
  }

  return { path, name, nameless, running, error, imported, offer, start, cancel };
});
