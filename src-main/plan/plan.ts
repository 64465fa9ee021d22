// The plan of a run, from its model and masks: who holds what, what it costs every worker, what every device needs and whether it has it.

import type { MemoryBytes, Plan, PlanChange } from '../contract/plan.ts';
import { mostMicroBatches, type RunConfig } from '../contract/runConfig.ts';
import type { PlannedDevice } from '../device/discover.ts';
import { evenOut } from './evenOut.ts';
import { graphFlops } from '../graph/flops.ts';
import { assignMasks } from '../masks/assign.ts';
import { isConnected, unitHolders } from '../masks/connectivity.ts';
import { unitCosts } from '../masks/costs.ts';
import { coverageOf, explicitMasks, type ExplicitPlan } from '../masks/explicit.ts';
import { spectralGap, type WeightedUnit } from '../masks/spectralGap.ts';
import { hasRoom, tryChanges, type Need, type Setting } from '../memory/fit.ts';
import { heldScalars, predictDevice, sessionMemory, type SessionMemory } from '../memory/predict.ts';
import { storeLayout, type LayoutOptions, type StoreLayout } from '../memory/storeLayout.ts';
import { sharesOf } from '../memory/touched.ts';
import type { Masks, ModelDefinition, ModelGraph } from '../models/model.ts';
import { mapTrainingGraphs } from '../models/sharedGraphs.ts';
import type { TrainingGraph } from '../models/training.ts';
import { targetOf } from './bindings.ts';

export interface PlanInput {
  config: RunConfig;
  /** Samples of the training split. */
  trainSamples: number;
  model: ModelDefinition;
  /** Who holds what, where a file says it. */
  explicit: ExplicitPlan | undefined;
  masks: Masks;
  devices: PlannedDevice[];
  layout: StoreLayout;
  layoutOptions: LayoutOptions;
  microBatch: number;
  trainingGraph: TrainingGraph;
  evaluation: {
    batch: number;
    branchScale: number;
    statisticsBatches: number;
    /** Batches are at most as large as micro-batches. */
    ofMicroBatches: boolean;
  };
  /** Told of every worker's training graph, and the kind of device that it is made for. */
  onTraining(built: ModelGraph, worker: number, kind: PlannedDevice['kind']): void;
}

/** Masks as the configuration asks for them, or as a file has them; micro-batches and recomputation do not change them. */
export function runMasks(
  model: ModelDefinition,
  { subnetworks }: Pick<RunConfig, 'subnetworks'>,
  samplesPerWorker: number,
  explicit?: ExplicitPlan,
): Masks {
  const { workers: numWorkers, granularity, masking } = subnetworks;
  if (explicit) return explicitMasks(model, { numWorkers, granularity, masking }, explicit);
  const costs = () => unitCosts(model, { granularity, masking, batch: samplesPerWorker });
  return assignMasks(model, { ...subnetworks, numWorkers }, costs);
}

/** The plan, and the devices with the workers that they have in it. */
export function buildPlan(input: PlanInput): { plan: Plan; devices: PlannedDevice[] } {
  const { config, trainSamples, model, explicit, masks, layout, microBatch, trainingGraph } = input;
  const workers = workerCosts(model, masks, input.devices, microBatch, trainingGraph, input.onTraining);
  const evaluation = evaluationMemory(input);
  const needsOf = (devices: PlannedDevice[]) => deviceMemory({ ...input, devices }, layout, workers, evaluation);
  const devices = evenOut(input.devices, (tried) => needsOf(tried).map(({ total }) => total));
  const needs = needsOf(devices);
  const coverage = coverageOf(model, masks);
  const parameters = { ...layout, tensors: layout.tensors.filter((tensor) => tensor.kind === 'parameter') };
  const maskable = model.tensors.filter((spec) => spec.kind === 'parameter' && isMasked(spec, masks.granularity));
  const sized = {
    family: model.family,
    parameters: scalarsOf(model.tensors.filter((spec) => spec.kind === 'parameter')),
    maskable: scalarsOf(maskable),
    sample: model.sample,
    classes: model.classes,
  };
  const units = planUnits(model, masks);
  const fits = devices.every((device, index) => hasRoom(needOf(device, needs[index]!.total)));
  const plan: Plan = {
    model: sized,
    granularity: masks.granularity,
    masking: masks.masking,
    numWorkers: config.subnetworks.workers,
    assignment: explicit ? 'file' : config.subnetworks.assignment,
    coverage: coverage.mean,
    coverageRange: [coverage.least, coverage.most],
    units,
    workers: workers.map(({ flopsPerSample, activationBytes }, worker) => ({
      worker,
      device: devices.find((device) => device.workers.includes(worker))!.id,
      parameters: heldScalars(parameters, [worker]),
      flopsPerSample,
      activationBytes,
    })),
    devices: devices.map(({ id, kind, threads, workers, capacityBytes }, index) => ({
      id,
      kind,
      threads,
      workers,
      memory: needs[index]!,
      capacityBytes,
    })),
    connected: isConnected(model, masks),
    spectralGap: spectralGap(weightedUnits(model, masks, units, sized), masks.held.length),
    fits,
    changes: fits ? [] : changesThatFit({ ...input, devices }, evaluation),
    batch: {
      global: config.training.batch,
      perWorker: microBatch * config.training.accumulation,
      microBatch,
      stepsPerEpoch: Math.floor(trainSamples / config.training.batch),
    },
  };
  return { plan, devices };
}

interface WorkerCost {
  flopsPerSample: number;
  activationBytes: number;
  session: SessionMemory;
}

/** From each worker's training graph. */
function workerCosts(
  model: ModelDefinition,
  { granularity, masking, held }: Masks,
  devices: readonly PlannedDevice[],
  microBatch: number,
  options: TrainingGraph,
  onTraining?: PlanInput['onTraining'],
): WorkerCost[] {
  const deviceOf = held.map((_, worker) => devices.find((device) => device.workers.includes(worker))!);
  const shared = { batch: microBatch, granularity, masking, ...options };
  const workers = held.map((of, worker) => ({ ...shared, ...targetOf(deviceOf[worker]!.kind), held: of }));
  return mapTrainingGraphs(model, workers, (built, worker) => {
    onTraining?.(built, worker, deviceOf[worker]!.kind);
    const session = sessionMemory(built, deviceOf[worker]!.threads);
    const flopsPerSample = graphFlops(built.graph) / microBatch;
    return { flopsPerSample, activationBytes: session.graph.arenaBytes, session };
  });
}

function deviceMemory(
  { masks, devices, microBatch }: Pick<PlanInput, 'masks' | 'devices' | 'microBatch'>,
  layout: StoreLayout,
  costs: readonly WorkerCost[],
  evaluation: EvaluationMemory,
): MemoryBytes[] {
  const shares = sharesOf(devices);
  return devices.map((device, index) =>
    predictDevice(layout, {
      share: shares[index]!,
      workers: device.workers,
      whole: masks.masking === 'backward',
      training: device.workers.map((worker) => costs[worker]!.session),
      evaluation: evaluation(device, microBatch),
      ownMemory: device.kind !== 'cpu',
    }),
  );
}

type EvaluationMemory = (device: PlannedDevice, microBatch: number) => SessionMemory[];

/** Of the graphs that evaluate the full network, and re-estimate its statistics where that is asked for. */
function evaluationMemory({ model, masks, evaluation }: PlanInput): EvaluationMemory {
  const known = new Map<string, SessionMemory[]>();
  const { branchScale, statisticsBatches, ofMicroBatches } = evaluation;
  return ({ kind, threads }, microBatch) => {
    const batch = ofMicroBatches ? Math.min(evaluation.batch, microBatch) : evaluation.batch;
    const reestimates = statisticsBatches > 0;
    const key = [kind, threads, batch, reestimates ? microBatch : 0].join();
    const found = known.get(key);
    if (found) return found;
    const full = { granularity: masks.granularity, branchScale, ...targetOf(kind) };
    const graphs = [model.evaluation({ ...full, batch })];
    if (reestimates) graphs.push(model.statistics({ ...full, batch: microBatch }));
    const sessions = graphs.map((graph) => sessionMemory(graph, threads));
    known.set(key, sessions);
    return sessions;
  };
}

const needOf = ({ id, capacityBytes }: PlannedDevice, neededBytes: number): Need => ({
  device: id,
  neededBytes,
  capacityBytes,
});

/** What would fit: see memory/fit.ts. The samples of a step stay, and a plan from a file keeps its holders. */
function changesThatFit(input: PlanInput, evaluation: EvaluationMemory): PlanChange[] {
  const { config, model, explicit, devices, layoutOptions, trainingGraph } = input;
  const { coverage } = config.subnetworks;
  const samples = input.microBatch * config.training.accumulation;
  const held = (coverage: number) => {
    const masks = runMasks(model, { subnetworks: { ...config.subnetworks, coverage } }, samples, explicit);
    return { masks, layout: storeLayout(model.tensors, masks, layoutOptions) };
  };
  const predict = ({ microBatch, recompute, coverage: tried }: Setting): Need[] => {
    const { masks, layout } = tried === coverage ? input : held(tried);
    const options = { ...trainingGraph, accumulate: microBatch < samples, recompute };
    const costs = workerCosts(model, masks, devices, microBatch, options);
    const memory = deviceMemory({ masks, devices, microBatch }, layout, costs, evaluation);
    return devices.map((device, index) => needOf(device, memory[index]!.total));
  };
  const from: Setting = { microBatch: input.microBatch, recompute: trainingGraph.recompute, coverage };
  const choices = {
    microBatches: partsOf(samples).filter((microBatch) => microBatch < from.microBatch),
    microBatchMatters: model.tensors.some(({ kind }) => kind === 'buffer'),
    coverages: explicit ? [] : Array.from({ length: coverage - 1 }, (_, index) => coverage - 1 - index),
  };
  return tryChanges(from, choices, predict).map((trial) => ({
    set: {
      ...(trial.microBatch !== from.microBatch && { 'training.accumulation': samples / trial.microBatch }),
      ...(trial.recompute !== from.recompute && { 'training.recompute': 'block' }),
      ...(trial.coverage !== coverage && { 'subnetworks.coverage': trial.coverage }),
    },
    ...trial.need,
    fits: trial.fits,
  }));
}

/** Sizes of micro-batches that the samples of a worker can be cut into, descending. */
const partsOf = (samples: number): number[] =>
  Array.from({ length: Math.min(samples, mostMicroBatches) }, (_, index) => samples / (index + 1)).filter(
    Number.isInteger,
  );

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

/** Every unit with its scalars, and what is in none as a unit of all workers. */
function weightedUnits(
  model: ModelDefinition,
  masks: Masks,
  units: Plan['units'],
  { parameters, maskable }: Plan['model'],
): WeightedUnit[] {
  const scalars = units.flatMap(({ parameters, size }) => new Array<number>(size).fill(parameters / size));
  const shared = { scalars: parameters - maskable, holders: masks.held.map((_, worker) => worker) };
  return [...unitHolders(model, masks).map((holders, unit) => ({ scalars: scalars[unit]!, holders })), shared];
}

function isMasked(spec: ModelDefinition['tensors'][number], granularity: Masks['granularity']): boolean {
  return granularity === 'block' ? spec.block !== null : spec.neurons !== null;
}

const product = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1);
const scalarsOf = (specs: readonly { shape: number[] }[]) => specs.reduce((sum, spec) => sum + product(spec.shape), 0);
