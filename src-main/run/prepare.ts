// From a configuration to everything that a run needs: model, masks, devices, store layout, what the device processes are told, and the plan.
// Pure but for the devices of the machine; draws nothing that the configuration's seeds do not fix.

import type { Dataset } from '../contract/commands.ts';
import type { DeviceSetup } from '../contract/deviceMessages.ts';
import { UserError } from '../contract/errors.ts';
import type { Plan } from '../contract/plan.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { runDevices, type RunDevice } from '../device/discover.ts';
import { graphFlops } from '../graph/flops.ts';
import { bytesOf } from '../graph/graph.ts';
import { liveness } from '../graph/liveness.ts';
import { assignMasks } from '../masks/assign.ts';
import { isConnected, unitHolders } from '../masks/connectivity.ts';
import { heldScalars, predictDevice } from '../memory/predict.ts';
import { storeLayout, type StoreLayout } from '../memory/storeLayout.ts';
import { createModel } from '../models/index.ts';
import type { Masks, ModelDefinition } from '../models/model.ts';
import { fit } from './fit.ts';

/** Folder and normalisation of a split. */
export interface SplitSource {
  path: string;
  mean: number[];
  std: number[];
}

export interface PreparedRun {
  model: ModelDefinition;
  masks: Masks;
  devices: RunDevice[];
  layout: StoreLayout;
  setup: Omit<DeviceSetup, 'storePath' | 'participant' | 'device' | 'workers' | 'layout'>;
  /** Factor of each tensor in evaluation and export; only those that are not 1. */
  scales: Record<string, number>;
  evaluationSamples: number;
  plan: Plan;
}

export function prepareRun(
  config: RunConfig,
  dataset: Dataset,
  sources: { train: SplitSource; test: SplitSource },
  cores: number,
): PreparedRun {
  const { subnetworks, training, evaluation } = config;
  const fitted = fit(config, dataset);
  const model = createModel(fitted.spec);
  const masks = assignMasks(model, { ...subnetworks, numWorkers: subnetworks.workers });
  const devices = runDevices(config, cores);
  const microBatch = training.batch / subnetworks.workers;
  if (training.batch > fitted.train) {
    throw new UserError(
      'configuration',
      `training.batch must be at most the ${fitted.train} training samples of ${dataset.name}, got ${training.batch}`,
      { key: 'training.batch' },
    );
  }
  const masked = subnetworks.masking === 'forward' && subnetworks.coverage < subnetworks.workers;
  const branchScale =
    masked && subnetworks.granularity === 'block' && evaluation.branchScale === 'auto'
      ? subnetworks.coverage / subnetworks.workers
      : 1;
  const hasStatistics = model.tensors.some((spec) => spec.kind === 'buffer');
  const reestimates =
    hasStatistics && (evaluation.statistics === 'reestimate' || (evaluation.statistics === 'auto' && masked));
  const statisticsBatches = reestimates ? evaluation.statisticsBatches : 0;
  if (statisticsBatches * microBatch > fitted.train) {
    throw new UserError(
      'configuration',
      `evaluation.statisticsBatches must be at most ${Math.floor(fitted.train / microBatch)} with ${fitted.train} training samples and ${microBatch} per batch, got ${statisticsBatches}`,
      { key: 'evaluation.statisticsBatches' },
    );
  }
  const evaluationSamples = Math.min(evaluation.samples || fitted.test, fitted.test);
  const largestBatch = fitted.kind === 'tokens' ? Math.min(evaluation.batch, microBatch) : evaluation.batch;
  const batch = Math.min(largestBatch, evaluationSamples);
  const layout = storeLayout(model.tensors, masks, {
    numParticipants: devices.length,
    optimizerSlots: training.optimizer === 'adamw' ? 2 : training.momentum > 0 ? 1 : 0,
    statisticsBatches,
    evaluationBatches: Math.ceil(evaluationSamples / batch),
  });
  const source = (split: SplitSource) => ({
    kind: fitted.kind,
    sequence: fitted.sequence,
    ...split,
    seed: training.seed,
    numWorkers: subnetworks.workers,
    microBatch,
  });
  const setup = {
    model: fitted.spec,
    masks,
    microBatch,
    optimizer: {
      kind: training.optimizer,
      momentum: training.momentum,
      nesterov: training.nesterov,
      weightDecay: training.weightDecay,
      beta1: training.beta1,
      beta2: training.beta2,
      eps: training.eps,
      clipGlobalNorm: training.clipGlobalNorm,
    },
    training: source(sources.train),
    evaluation: { source: source(sources.test), batch, statisticsBatches, branchScale },
  };
  const scales = branchScale === 1 ? {} : Object.fromEntries(model.branchOutputs.map((name) => [name, branchScale]));
  const plan = buildPlan({ config, trainSamples: fitted.train, model, masks, devices, layout, microBatch });
  return { model, masks, devices, layout, setup, scales, evaluationSamples, plan };
}

interface PlanInput {
  config: RunConfig;
  trainSamples: number;
  model: ModelDefinition;
  masks: Masks;
  devices: RunDevice[];
  layout: StoreLayout;
  microBatch: number;
}

function buildPlan({ config, trainSamples, model, masks, devices, layout, microBatch }: PlanInput): Plan {
  const { granularity, masking } = masks;
  const graphs = masks.held.map((held) => model.training({ batch: microBatch, granularity, masking, held }).graph);
  const feeds = graphs[0]!.inputs.filter(({ name }) => name === 'input' || name === 'label');
  const batchBytes = feeds.reduce((sum, feed) => sum + bytesOf(feed), 0);
  const maskable = model.tensors.filter((spec) => spec.kind === 'parameter' && isMasked(spec, granularity));
  return {
    model: {
      family: model.family,
      parameters: scalarsOf(model.tensors.filter((spec) => spec.kind === 'parameter')),
      maskable: scalarsOf(maskable),
      sample: model.sample,
      classes: model.classes,
    },
    granularity,
    masking,
    numWorkers: config.subnetworks.workers,
    coverage: config.subnetworks.coverage,
    units: planUnits(model, masks),
    workers: masks.held.map((_, worker) => ({
      worker,
      device: devices.find((device) => device.workers.includes(worker))!.id,
      parameters: heldScalars({ ...layout, tensors: layout.tensors.filter((t) => t.kind === 'parameter') }, [worker]),
      flopsPerSample: graphFlops(graphs[worker]!) / microBatch,
    })),
    devices: devices.map(({ id, kind, threads, workers }) => ({
      id,
      kind,
      threads,
      workers,
      memory: predictDevice(
        layout,
        workers.map((worker) => ({ worker, batchBytes, activationBytes: liveness(graphs[worker]!).peakBytes })),
      ),
    })),
    connected: isConnected(model, masks),
    batch: {
      global: config.training.batch,
      perWorker: microBatch,
      stepsPerEpoch: Math.floor(trainSamples / config.training.batch),
    },
  };
}

function planUnits(model: ModelDefinition, masks: Masks): Plan['units'] {
  const parameters = model.tensors.filter((spec) => spec.kind === 'parameter');
  if (masks.granularity === 'block') {
    const holders = unitHolders(model, masks);
    return model.blocks.map((id, index) => ({
      id,
      size: 1,
      parameters: scalarsOf(parameters.filter((spec) => spec.block === id)),
      holders: holders[index]!,
    }));
  }
  return model.groups.map(({ id, size }) => ({
    id,
    size,
    parameters: scalarsOf(parameters.filter((spec) => spec.neurons?.group === id)),
    holders: [],
    held: masks.held.map((held) => held.neurons[id]!),
  }));
}

function isMasked(spec: ModelDefinition['tensors'][number], granularity: Masks['granularity']): boolean {
  return granularity === 'block' ? spec.block !== null : spec.neurons !== null;
}

const product = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1);
const scalarsOf = (specs: readonly { shape: number[] }[]) => specs.reduce((sum, spec) => sum + product(spec.shape), 0);
