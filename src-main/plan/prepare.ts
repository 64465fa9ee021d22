// From a configuration to everything that a run needs: devices, store, what the device processes are told, their sessions, and the plan.
// Pure but for the devices of the machine; draws nothing that the configuration's seeds do not fix.

import { hasSoftLabels } from '../contract/augmentation.ts';
import type { Dataset } from '../contract/commands.ts';
import type { DeviceSetup } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import { optimizerSpec } from '../contract/optimizers.ts';
import { optimizerSlots, type Augmentation, type BatchSource, type Sampling } from '../contract/records.ts';
import type { Plan } from '../contract/plan.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import type { SplitSource } from '../data/catalogue.ts';
import { runDevices, type Machine, type RunDevice } from '../device/discover.ts';
import { coverageOf, type ExplicitPlan } from '../masks/explicit.ts';
import { storeBytes, storeLayout, type StoreLayout } from '../memory/storeLayout.ts';
import type { ModelSpec } from '../families/configs.ts';
import { createModel } from '../families/models.ts';
import type { FullNetworkOptions, ModelDefinition, ModelGraph } from '../models/model.ts';
import { matchData } from './match.ts';
import { buildPlan, runMasks } from './plan.ts';
import { RunSessions } from './sessions.ts';

export interface PreparedRun {
  spec: ModelSpec;
  devices: RunDevice[];
  store: StoreSpec;
  setup: RunSetup;
  /** Of each device, packed. */
  sessions: string[];
  /** Factor of each tensor in evaluation and export; only those that are not 1. */
  scales: Record<string, number>;
  evaluationSamples: number;
  evaluationBatch: number;
  sampling: Sampling;
  /** Name of the dataset, and its fingerprint. */
  dataset: string;
  fingerprint: string;
  plan: Plan;
}

/** What the devices of a run are told alike. */
export type RunSetup = Omit<DeviceSetup, 'storePath' | 'participant' | 'device' | 'sessions'>;

export interface StoreSpec {
  /** JSON of StoreLayout. */
  layout: string;
  bytes: number;
}

export const storeSpec = (layout: StoreLayout): StoreSpec => ({
  layout: JSON.stringify(layout),
  bytes: storeBytes(layout),
});

/** Devices that can take part at a time, in runs of so many workers. */
const seats = 16;

/** Units that a plan may have, each counted once for every worker that holds it. */
const mostHeld = 2 ** 22;

/** `explicit`: who holds what, where a file says it. */
export function prepareRun(
  config: RunConfig,
  dataset: Dataset,
  sources: { train: SplitSource; test: SplitSource },
  machine: Machine,
  explicit?: ExplicitPlan,
): PreparedRun {
  const { subnetworks, training, evaluation } = config;
  const matched = matchData(config, dataset);
  const model = withKnownGraphs(createModel(matched.spec));
  const placed = runDevices(config, machine);
  const microBatch = training.batch / (subnetworks.workers * training.accumulation);
  if (training.batch > matched.train) {
    throw new UserError(
      'configuration',
      `training.batch must be at most the ${matched.train} training samples of ${dataset.name}, got ${training.batch}`,
      { key: 'training.batch' },
    );
  }
  checkHeld(model, config);
  const masks = runMasks(model, config, microBatch * training.accumulation, explicit);
  const coverage = coverageOf(model, masks);
  const masked = subnetworks.masking === 'forward' && coverage.least < subnetworks.workers;
  const branchScale =
    masked && subnetworks.granularity === 'block' && evaluation.branchScale === 'auto'
      ? coverage.mean / subnetworks.workers
      : 1;
  const hasStatistics = model.tensors.some((spec) => spec.kind === 'buffer');
  const reestimates =
    hasStatistics && (evaluation.statistics === 'reestimate' || (evaluation.statistics === 'auto' && masked));
  const statisticsBatches = reestimates ? evaluation.statisticsBatches : 0;
  if (statisticsBatches * microBatch > matched.train) {
    throw new UserError(
      'configuration',
      `evaluation.statisticsBatches must be at most ${Math.floor(matched.train / microBatch)} with ${matched.train} training samples and ${microBatch} per batch, got ${statisticsBatches}`,
      { key: 'evaluation.statisticsBatches' },
    );
  }
  const evaluationSamples = Math.min(evaluation.samples || matched.test, matched.test);
  const largestBatch = matched.kind === 'tokens' ? Math.min(evaluation.batch, microBatch) : evaluation.batch;
  const batch = Math.min(largestBatch, evaluationSamples);
  const optimizer = optimizerSpec(training);
  const layoutOptions = {
    numParticipants: Math.max(placed.length, Math.min(subnetworks.workers, seats)),
    optimizerSlots: optimizerSlots(optimizer),
    statisticsBatches,
    evaluationBatches: Math.ceil(evaluationSamples / batch),
  };
  const layout = storeLayout(model.tensors, masks, layoutOptions);
  const augmentation = loaderAugmentation(config, model);
  const source = ({ path, images }: SplitSource): BatchSource => ({
    path,
    seed: training.seed,
    numWorkers: subnetworks.workers,
    microBatch,
    accumulation: training.accumulation,
    reads: images ? { ...images, augmentation } : { kind: 'tokens', sequence: matched.sequence },
  });
  const trainingGraph = {
    recompute: training.recompute === 'block',
    accumulate: training.accumulation > 1,
    dropout: training.dropout,
    stochasticDepth: training.stochasticDepth,
    softLabels: hasSoftLabels(config.data.augmentation),
  };
  const setup = {
    classes: model.classes,
    optimizer,
    training: source(sources.train),
    evaluation: { source: source(sources.test), statisticsBatches },
  };
  const scales = branchScale === 1 ? {} : Object.fromEntries(model.branchOutputs.map((name) => [name, branchScale]));
  const sessions = new RunSessions(model, masks, layout);
  const { plan, devices } = buildPlan({
    config,
    trainSamples: matched.train,
    model,
    explicit,
    masks,
    devices: placed,
    layout,
    layoutOptions,
    microBatch,
    trainingGraph,
    evaluation: { batch, branchScale, statisticsBatches, ofMicroBatches: matched.kind === 'tokens' },
    onTraining: (built, worker, kind) => sessions.addTraining(built, worker, kind),
  });
  return {
    spec: matched.spec,
    devices,
    store: storeSpec(layout),
    setup,
    sessions: sessions.pack(devices, {
      batch,
      branchScale,
      statisticsBatch: statisticsBatches > 0 ? microBatch : null,
    }),
    scales,
    evaluationSamples,
    evaluationBatch: batch,
    sampling: {
      seed: training.seed,
      samples: matched.train,
      numWorkers: subnetworks.workers,
      share: microBatch * training.accumulation,
    },
    dataset: dataset.name,
    fingerprint: dataset.fingerprint,
    plan,
  };
}

/** Builds each graph of the full network once, for its memory and its session. */
function withKnownGraphs(model: ModelDefinition): ModelDefinition {
  const known = new Map<string, ModelGraph>();
  const once = (name: 'evaluation' | 'statistics') => (options: FullNetworkOptions) => {
    const key = `${name} ${JSON.stringify(options)}`;
    const built = known.get(key) ?? model[name](options);
    known.set(key, built);
    return built;
  };
  return { ...model, evaluation: once('evaluation'), statistics: once('statistics') };
}

/** Plan and layout name every unit for each of its holders. */
function checkHeld({ blocks, groups }: ModelDefinition, { subnetworks }: RunConfig): void {
  const { granularity, coverage } = subnetworks;
  const units = granularity === 'block' ? blocks.length : groups.reduce((sum, { size }) => sum + size, 0);
  if (units * coverage <= mostHeld) return;
  const sentence = `subnetworks.granularity ${granularity} makes ${units} units, which with ${coverage} holders each are more than the ${mostHeld} that can be planned; choose block granularity, fewer units or lower coverage`;
  throw new UserError('configuration', sentence, { key: 'subnetworks.granularity' });
}

/** Absent where the loader hands on what the dataset has. */
function loaderAugmentation(
  { data }: RunConfig,
  { reads, sample, classes }: ModelDefinition,
): Augmentation | undefined {
  const { preset: _, size, evaluationResize, mixup, cutmix, labelSmoothing, ...changes } = data.augmentation;
  const { magnitude: __, ...switches } = { ...changes, mixup, cutmix, labelSmoothing };
  const changesSamples =
    size !== undefined || evaluationResize !== undefined || Object.values(switches).some((x) => x > 0);
  if (reads === 'tokens' || !changesSamples) return undefined;
  const [, height, width] = sample as [number, number, number];
  return {
    changes: { ...changes, height, width, evaluationResize: evaluationResize ?? Math.min(height, width) },
    mixing: { mixup, cutmix, labelSmoothing, classes },
  };
}
