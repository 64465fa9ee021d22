// What this installation offers: devices, datasets, samples. Loads the snapshot that everything starts from, and hands runs,
// settings and imports to their stores.

import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import type { DamagedDataset, Dataset, Device, Sample } from '../../src-main/contract/commands.ts';
import type { DataFolder } from '../../src-main/contract/dataFolder.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { createFeed } from './feed.ts';
import { useImportStore } from './importing.ts';
import { errorText } from './messages.ts';
import { useRunsStore } from './runs.ts';
import { useSettingsStore } from './settings.ts';

export const useCatalogueStore = defineStore('catalogue', () => {
  const connection = useConnectionStore();
  const runs = useRunsStore();
  const settings = useSettingsStore();
  const imports = useImportStore();
  const loaded = ref(false);
  const problem = ref('');
  const version = ref('');
  const devices = shallowRef<Device[]>([]);
  const datasets = shallowRef<Dataset[]>([]);
  const damaged = shallowRef<DamagedDataset[]>([]);
  const samples = shallowRef<Sample[]>([]);
  const dataFolder = shallowRef<DataFolder>({ inUse: '', next: '', chosen: false, fixed: false });
  let sequence = 0;

  const feed = createFeed(
    () => connection.call('snapshot', {}),
    (snapshot) => {
      sequence = snapshot.sequence;
      version.value = snapshot.version;
      devices.value = snapshot.devices;
      datasets.value = snapshot.datasets;
      damaged.value = snapshot.damagedDatasets;
      samples.value = snapshot.samples;
      dataFolder.value = snapshot.dataFolder;
      settings.replace(snapshot.settings);
      runs.replace(snapshot.runs, snapshot.damagedRuns);
      imports.replace(snapshot.imports);
      loaded.value = true;
    },
    (event: AppEvent) => {
      if (event.sequence <= sequence) return;
      if (event.name === 'datasetImported') add(event.payload.dataset);
      else if (event.name === 'datasetRemoved') remove(event.payload.name);
      else if (event.name === 'dataFolderChosen') dataFolder.value = event.payload.dataFolder;
      else {
        runs.apply(event);
        settings.apply(event);
        imports.apply(event);
      }
    },
  );

  function remove(name: string): void {
    datasets.value = datasets.value.filter((dataset) => dataset.name !== name);
    damaged.value = damaged.value.filter((dataset) => dataset.name !== name);
  }

  function add(dataset: Dataset): void {
    const others = datasets.value.filter(({ name }) => name !== dataset.name);
    datasets.value = [...others, dataset].sort((a, b) => a.name.localeCompare(b.name));
  }

  async function load(): Promise<void> {
    try {
      problem.value = '';
      await feed.reload();
    } catch (error) {
      problem.value = errorText(error);
    }
  }

  connection.onEvent(feed.receive);
  watch(
    () => [connection.epoch, connection.missed],
    () => void load(),
  );

  return {
    loaded,
    problem,
    version,
    devices,
    datasets,
    damaged,
    samples,
    dataFolder,
    load,
  };
});
