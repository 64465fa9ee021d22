// Imports of datasets: the one being considered (files, options, the verdict about them), and those under way or ended, as events tell.
//
// Nothing is imported before `start`. Every change of the options inspects again; an answer that was overtaken is dropped.

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { ImportOptions, ImportState, Verdict } from '../../src-main/contract/verdict.ts';
import { sendFiles, type Offered, type Sending } from '../uploading.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { errorText } from './messages.ts';

/** Files as the app can read them. */
interface Source {
  paths: string[];
  /** Folder that need not be shown in front of their names. */
  folder: string;
  /** Removes what was sent to the server for it. */
  discard?: () => void;
}

export const useImportStore = defineStore('importing', () => {
  const connection = useConnectionStore();
  /** As it is typed. */
  const path = ref('');
  const name = ref('');
  const options = shallowRef<ImportOptions>({});
  const source = shallowRef<Source | null>(null);
  const verdict = shallowRef<Verdict | null>(null);
  /** Files on their way to the server. */
  const sending = shallowRef<Sending | null>(null);
  const inspecting = ref(false);
  const problem = ref('');
  const imports = shallowRef<ImportState[]>([]);
  let turn = 0;
  let stopSending = new AbortController();

  /** The last inspection was of the options as they are, and found no error. */
  const importable = computed(() => !inspecting.value && problem.value === '' && verdict.value?.importable === true);

  async function inspectPath(): Promise<void> {
    const typed = path.value.trim();
    clear();
    path.value = typed;
    await consider({ paths: [typed], folder: typed.replace(/[\\/]+$/, '') });
  }

  /** Files that were dropped or chosen. */
  async function offer(offered: Offered): Promise<void> {
    clear();
    const mine = turn;
    try {
      const found = 'paths' in offered ? offered.paths : await offered.files;
      if (mine !== turn) return;
      if (found.length === 0) problem.value = 'There are no files in it.';
      else if ('paths' in offered) await consider({ paths: offered.paths, folder: offered.paths[0]! });
      else await upload(await offered.files, mine);
    } catch (error) {
      if (mine === turn) problem.value = errorText(error);
    }
  }

  async function upload(files: Parameters<typeof sendFiles>[0], mine: number): Promise<void> {
    const { signal } = (stopSending = new AbortController());
    try {
      const sent = await sendFiles(files, { signal, onProgress: (progress) => (sending.value = progress) });
      if (mine !== turn) return sent.discard();
      sending.value = null;
      await consider(sent);
    } finally {
      if (mine === turn) sending.value = null;
    }
  }

  async function consider(found: Source): Promise<void> {
    source.value = found;
    await inspect();
  }

  async function inspect(): Promise<void> {
    if (!source.value) return;
    const mine = ++turn;
    inspecting.value = true;
    problem.value = '';
    try {
      const { paths } = source.value;
      const found = await connection.call('inspectDataset', { paths, options: options.value });
      if (mine !== turn) return;
      verdict.value = found;
      name.value ||= found.name;
    } catch (error) {
      if (mine === turn) problem.value = errorText(error);
    } finally {
      if (mine === turn) inspecting.value = false;
    }
  }

  /** Changes options, those of a remedy or of the form; undefined takes one back. */
  async function choose(change: { [K in keyof ImportOptions]?: ImportOptions[K] | undefined }): Promise<void> {
    const entries = Object.entries({ ...options.value, ...change }).filter(([, value]) => value !== undefined);
    options.value = Object.fromEntries(entries);
    await inspect();
  }

  async function start(): Promise<void> {
    if (!source.value || !importable.value) return;
    try {
      const { paths } = source.value;
      await connection.call('startImport', { paths, options: options.value, name: name.value.trim() });
      // What was sent goes when the import has ended.
      source.value = null;
      clear();
    } catch (error) {
      problem.value = errorText(error);
    }
  }

  /** Puts the files away; nothing was imported. */
  function clear(): void {
    turn++;
    stopSending.abort();
    source.value?.discard?.();
    sending.value = null;
    source.value = verdict.value = null;
    options.value = {};
    path.value = name.value = problem.value = '';
    inspecting.value = false;
  }

  async function cancel(importId: string): Promise<void> {
    try {
      await connection.call('cancelImport', { importId });
    } catch (error) {
      problem.value = errorText(error);
    }
  }

  /** Newest first, as the snapshot has them. */
  function replace(all: readonly ImportState[]): void {
    imports.value = [...all].reverse();
  }

  function apply(event: AppEvent): void {
    if (event.name !== 'importChanged') return;
    const changed = event.payload.import;
    const known = imports.value.some(({ id }) => id === changed.id);
    imports.value = known
      ? imports.value.map((one) => (one.id === changed.id ? changed : one))
      : [changed, ...imports.value];
  }

  return {
    path,
    name,
    options,
    source,
    verdict,
    inspecting,
    problem,
    importable,
    imports,
    sending,
    offer,
    inspectPath,
    inspect,
    choose,
    start,
    clear,
    cancel,
    replace,
    apply,
  };
});
