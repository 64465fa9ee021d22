// The sessions of all devices of a run, from the graphs that were planned.

import { packSessions, type BoundGraph } from '../device/deviceSessions.ts';
import type { PlannedDevice } from '../device/discover.ts';
import type { StoreLayout } from '../memory/storeLayout.ts';
import type { Masks, ModelDefinition, ModelGraph, TrainingOptions } from '../models/model.ts';
import { mapTrainingGraphs } from '../models/sharedGraphs.ts';
import { Bindings, targetOf } from './bindings.ts';

type Device = Pick<PlannedDevice, 'kind' | 'workers'>;

export interface FullNetwork {
  batch: number;
  branchScale: number;
  /** Samples of a batch that statistics are re-estimated from; null: they are not. */
  statisticsBatch: number | null;
}

export class RunSessions {
  private readonly bindings: Bindings[];
  /** By worker. */
  private readonly training: BoundGraph[] = [];

  constructor(
    private readonly model: ModelDefinition,
    private readonly masks: Pick<Masks, 'granularity'>,
    private readonly devices: readonly Device[],
    layout: StoreLayout,
  ) {
    this.bindings = devices.map(({ kind }) => new Bindings(layout, kind));
  }

  addTraining(built: ModelGraph, worker: number): void {
    const device = this.devices.findIndex(({ workers }) => workers.includes(worker));
    this.training[worker] = this.bindings[device]!.training(built, worker);
  }

  /** What each device process is told, once all workers are added. */
  pack(full: FullNetwork): string[] {
    return this.devices.map(({ kind, workers }, index) => {
      const bindings = this.bindings[index]!;
      const { granularity } = this.masks;
      const { batch, branchScale, statisticsBatch } = full;
      const options = { granularity, branchScale, ...targetOf(kind) };
      const reestimates = statisticsBatch !== null;
      const evaluation = bindings.evaluation(this.model.evaluation({ ...options, batch }), reestimates);
      const statistics = reestimates
        ? bindings.statistics(this.model.statistics({ ...options, batch: statisticsBatch }))
        : null;
      const training = workers.map((worker) => this.training[worker]!);
      return packSessions({ graphs: bindings.graphs, training, evaluation, statistics });
    });
  }
}

/** The same where there is no plan. */
export function sessionsOf(
  model: ModelDefinition,
  { held, ...masks }: Masks,
  devices: readonly Device[],
  layout: StoreLayout,
  training: Omit<TrainingOptions, 'held' | 'granularity' | 'masking'>,
  full: FullNetwork,
): string[] {
  const sessions = new RunSessions(model, masks, devices, layout);
  const targets = held.map((_, worker) => targetOf(devices.find(({ workers }) => workers.includes(worker))!.kind));
  const workers = held.map((of, worker) => ({ ...training, ...masks, ...targets[worker]!, held: of }));
  mapTrainingGraphs(model, workers, (built, worker) => sessions.addTraining(built, worker));
  return sessions.pack(full);
}
