// Opens the device processes of a prepared run, with fresh parameters or those of a checkpoint.

import type { Plan } from '../contract/plan.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { getDataset, datasetSource } from '../data/catalogue.ts';
import { thisMachine, type Running } from '../device/discover.ts';
import { createModel } from '../families/models.ts';
import type { InitSpec, NativeStore } from '../native.ts';
import type { Initializer, ModelDefinition } from '../models/model.ts';
import { readCheckpoint, type FoundCheckpoint } from '../records/checkpoint.ts';
import { claimStore } from '../records/leftStores.ts';
import type { SpawnDevice } from '../processes/deviceProcess.ts';
import { usualPatience, type Patience } from './silence.ts';
import { Fleet, type FleetOptions } from './fleet.ts';
import { prepareApart, type PlanSources } from '../plan/planner.ts';
import type { PreparedRun } from '../plan/prepare.ts';
import type { RunFolder } from '../records/runFolder.ts';

/** What an app host provides. */
export interface RunHost {
  home: string;
  spawnDevice: SpawnDevice;
  /** When a device counts as hanging; default: as is usual, and longer for large models. */
  patience?: Patience;
}

/** Prepares the run with the dataset of the catalogue on the devices of this machine; `running`: where it is under way. */
export async function prepareFromHome(
  host: RunHost,
  config: RunConfig,
  signal?: AbortSignal,
  running?: Running,
): Promise<PreparedRun> {
  return await prepareApart(await planSources(host, config, running), signal);
}

/** The plan of the same. */
export async function planFromHome(host: RunHost, config: RunConfig, signal?: AbortSignal): Promise<Plan> {
  return (await prepareFromHome(host, config, signal)).plan;
}

async function planSources({ home, spawnDevice }: RunHost, config: RunConfig, running?: Running): Promise<PlanSources> {
  const dataset = await getDataset(home, config.data.dataset);
  const sources = {
    train: await datasetSource(home, dataset.name, 'train'),
    test: await datasetSource(home, dataset.name, 'test'),
  };
  const machine = await thisMachine(config, spawnDevice);
  return [config, dataset, sources, running ? { ...machine, running } : machine];
}

export type Start =
  | { kind: 'fresh'; seed: number }
  /** Without a step: the newest whole one. */
  | { kind: 'checkpoint'; folder: RunFolder; step: number | undefined; optimizer: boolean };

interface Listeners extends Pick<FleetOptions, 'onRecords' | 'onMemory' | 'onLoss' | 'replan' | 'unneeded'> {
  /** The run that trains: its store survives the app. */
  run?: RunFolder;
  /** The checkpoint that it starts from. */
  onCheckpoint?(found: FoundCheckpoint): void;
}

export function openFleet(
  host: RunHost,
  prepared: PreparedRun,
  start: Start,
  { run, onCheckpoint, ...listeners }: Listeners = {},
): Promise<Fleet> {
  return Fleet.open({
    spawnDevice: host.spawnDevice,
    devices: prepared.devices,
    store: prepared.store,
    setup: prepared.setup,
    sessions: prepared.sessions,
    // A dataset that is no longer what its manifest says is told of by name.
    checkFiles: () =>
      getDataset(host.home, prepared.dataset).then(
        () => null,
        (error: unknown) => (error as Error).message,
      ),
    fill: async (store) => {
      const step = await fill(store, prepared, start, onCheckpoint);
      if (run) await claimStore(store, run, step);
    },
    survives: run !== undefined,
    patience: host.patience ?? patienceFor(prepared),
    ...listeners,
  });
}

/** Returns the steps whose parameters it has then. */
async function fill(
  store: NativeStore,
  { spec }: PreparedRun,
  start: Start,
  onCheckpoint: Listeners['onCheckpoint'],
): Promise<number> {
  if (start.kind === 'fresh') {
    await store.initialise(initSpecs(createModel(spec)), start.seed);
    return 0;
  }
  const found = await readCheckpoint(start.folder, store, start.step, start.optimizer);
  onCheckpoint?.(found);
  return found.step;
}

/** The first micro-batch may take as long as with a thousand million operations a second: nothing that trains is slower. */
function patienceFor({ plan, evaluationBatch }: PreparedRun): Patience {
  const samples = Math.max(plan.batch.microBatch, evaluationBatch);
  const flops = Math.max(...plan.workers.map(({ flopsPerSample }) => flopsPerSample)) * samples;
  return { ...usualPatience, firstMs: usualPatience.firstMs + flops / 1e6 };
}

/** In the order of the store layout: parameters, then buffers. */
export function initSpecs(model: ModelDefinition): InitSpec[] {
  const ordered = [...model.tensors].sort((a, b) => Number(a.kind === 'buffer') - Number(b.kind === 'buffer'));
  return ordered.map((spec) => initSpec(spec.init));
}

function initSpec(init: Initializer): InitSpec {
  switch (init.kind) {
    case 'constant':
      return { kind: 'constant', value: init.value };
    case 'normal':
      return { kind: 'normal', value: init.std };
    case 'uniform':
      return { kind: 'uniform', value: init.bound };
  }
}
