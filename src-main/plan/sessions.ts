// The sessions of all devices of a run, from the graphs that were planned.

import { packSessions, withUsedGraphs, type BoundGraph, type DeviceSessions } from '../device/deviceSessions.ts';
import type { PlannedDevice } from '../device/discover.ts';
import type { StoreLayout } from '../memory/storeLayout.ts';
import type { Masks, ModelDefinition, ModelGraph, TrainingOptions } from '../models/model.ts';
import { mapTrainingGraphs } from '../models/sharedGraphs.ts';
import { Bindings, targetOf } from './bindings.ts';

type Device = Pick<PlannedDevice, 'kind' | 'workers'>;
type Kind = PlannedDevice['kind'];

export interface FullNetwork {
  batch: number;
  branchScale: number;
  /** Samples of a batch that statistics are re-estimated from; null: they are not. */
  statisticsBatch: number | null;
}

export class RunSessions {
  private readonly bindings = new Map<Kind, Bindings>();
  private readonly full = new Map<Kind, Pick<DeviceSessions, 'evaluation' | 'statistics'>>();
  /** By worker. */
  private readonly training: BoundGraph[] = [];

  constructor(
    private readonly model: ModelDefinition,
    private readonly masks: Pick<Masks, 'granularity'>,
    private readonly layout: StoreLayout,
  ) {}

  /** `kind`: of the device that runs the worker. */
  addTraining(built: ModelGraph, worker: number, kind: Kind): void {
    this.training[worker] = this.bindingsOf(kind).training(built, worker);
  }

  /** What each device process is told, once all workers are added. */
  pack(devices: readonly Device[], full: FullNetwork): string[] {
    return devices.map(({ kind, workers }) => {
      const fullNetwork = this.full.get(kind) ?? this.bindFull(kind, full);
      const training = workers.map((worker) => this.training[worker]!);
      return packSessions(withUsedGraphs({ graphs: this.bindingsOf(kind).graphs, training, ...fullNetwork }));
    });
  }

  private bindFull(kind: Kind, { batch, branchScale, statisticsBatch }: FullNetwork) {
    const bindings = this.bindingsOf(kind);
    const options = { granularity: this.masks.granularity, branchScale, ...targetOf(kind) };
    const reestimates = statisticsBatch !== null;
    const evaluation = bindings.evaluation(this.model.evaluation({ ...options, batch }), reestimates);
    const statistics = reestimates
      ? bindings.statistics(this.model.statistics({ ...options, batch: statisticsBatch }))
      : null;
    this.full.set(kind, { evaluation, statistics });
    return { evaluation, statistics };
  }

  private bindingsOf(kind: Kind): Bindings {
    const bindings = this.bindings.get(kind) ?? new Bindings(this.layout, kind);
    this.bindings.set(kind, bindings);
    return bindings;
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
  const sessions = new RunSessions(model, masks, layout);
  const kinds = held.map((_, worker) => devices.find(({ workers }) => workers.includes(worker))!.kind);
  const workers = held.map((of, worker) => ({ ...training, ...masks, ...targetOf(kinds[worker]!), held: of }));
  mapTrainingGraphs(model, workers, (built, worker) => sessions.addTraining(built, worker, kinds[worker]!));
  return sessions.pack(devices, full);
}
