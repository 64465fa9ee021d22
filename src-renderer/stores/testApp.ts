// An app for tests of the stores: the real server and client over in-memory transports, with handlers and events that the test owns.

import { createPinia, setActivePinia } from 'pinia';
import type { DamagedDataset, Dataset } from '../../src-main/contract/commands.ts';
import type { AppEvents } from '../../src-main/contract/events.ts';
import { noLoss, type RunDetail, type RunSummary } from '../../src-main/contract/run.ts';
import { parseRunConfig } from '../../src-main/contract/runConfig.ts';
import type { StepColumns } from '../../src-main/contract/steps.ts';
import { servePage, type AppHandlers } from '../../src-main/host/appHost.ts';
import { EventHub } from '../../src-main/transport/events.ts';
import { memoryPair } from '../../src-main/transport/memory.ts';
import type { Transport } from '../../src-main/transport/transport.ts';

export function testApp(handlers: Partial<AppHandlers>) {
  setActivePinia(createPinia());
  const hub = new EventHub<AppEvents>();
  const sides: Transport[] = [];
  const snapshot = () => ({ ...snapshotOf([]), sequence: hub.sequence });
  return {
    hub,
    /** A new connection, as the page's transport would be. */
    connect(): Transport {
      const [page, app] = memoryPair();
      sides.push(app);
      const all = { snapshot, runLog: () => ({ lines: [] }), ...handlers } as AppHandlers;
      servePage(app, { handlers: all, events: hub }, String);
      return page;
    },
    /** As if the app had gone away. */
    hangUp: () => sides.splice(0).forEach((side) => side.close()),
  };
}

/** What an app without devices, samples and events says of itself. */
export function snapshotOf(runs: RunSummary[], datasets: Dataset[] = [], damagedDatasets: DamagedDataset[] = []) {
  const settings = { theme: 'system' as const, notify: true, startFrom: null };
  const dataFolder = { inUse: '/home', next: '/home', chosen: false, fixed: false };
  const lists = { devices: [], datasets, damagedDatasets, runs, damagedRuns: [], samples: [], imports: [] };
  return { version: '1', sequence: 0, ...lists, settings, dataFolder };
}

export function summaryOf(id: string, changes: Partial<RunSummary> = {}): RunSummary {
  const createdAt = '2026-11-21T00:00:00Z';
  return {
    id,
    name: id,
    state: 'training',
    reason: '',
    step: 0,
    steps: 100,
    createdAt,
    accuracy: null,
    perplexity: null,
    fingerprint: '',
    warning: '',
    curve: noLoss,
    dataset: 'mnist',
    ...changes,
  };
}

export const minimalConfig = parseRunConfig({
  model: { family: 'resnet' },
  data: { dataset: 'mnist' },
  subnetworks: { workers: 2 },
});

export function detailOf(id: string, columns: StepColumns, changes: Partial<RunDetail> = {}): RunDetail {
  const empty = { evaluations: [], memory: [], deviceChanges: [], gradients: null, checkpoints: [], exports: [] };
  const plan = {
    model: { family: 'resnet', parameters: 1, maskable: 1, sample: [1, 28, 28], classes: 10 },
    granularity: 'block' as const,
    masking: 'forward' as const,
    numWorkers: 2,
    assignment: 'count' as const,
    coverage: 2,
    coverageRange: [2, 2] as [number, number],
    units: [],
    workers: [],
    devices: [],
    connected: true,
    spectralGap: 1,
    fits: true,
    changes: [],
    batch: { global: 128, perWorker: 64, microBatch: 64, stepsPerEpoch: 1 },
  };
  const summary = summaryOf(id, { step: (columns.step.at(-1) ?? -1) + 1 });
  return { summary, config: minimalConfig, plan, columns, ...empty, ...changes };
}

export function datasetOf(name: string): Dataset {
  return {
    name,
    kind: 'images',
    classes: 10,
    classNames: [],
    storage: 'array',
    sample: [1, 28, 28],
    train: 60000,
    test: 10000,
    source: '',
    fingerprint: '',
    bytes: 1,
  };
}
