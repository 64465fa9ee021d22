// The configuration of a run: one schema with defaults, units and descriptions. YAML, `--set`, the form and the help text all use it.
//
// Cross-field rules (a batch that divides, coverage within the number of workers) are in checkRunConfig, so that every message names its key.

import { z } from 'zod';
import { augmentationConfig, augmentationProblem, withAugmentationPreset } from './augmentation.ts';
import { parseBytes } from './bytes.ts';
import { families, modelConfig, modelProblem, withPresets } from '../families/configs.ts';
import { UserError } from './errors.ts';
import { problemOf } from './fault.ts';
import { optimizerConfig } from './optimizers.ts';
import { plainDataProblem, shown } from './plainData.ts';
import { userPath } from './userPath.ts';

const positiveInt = z.int().min(1);
const fraction = z.number().min(0).lt(1);

export const dataConfig = z.strictObject({
  dataset: z.string().min(1).max(100).describe('Name of an imported dataset, as “sdp datasets” lists it'),
  augmentation: augmentationConfig.prefault({}),
});

export const subnetworksConfig = z.strictObject({
  workers: positiveInt.max(256).default(4).describe('Number of logical workers N; each trains one subnetwork'),
  coverage: z
    .int()
    .max(256)
    .default(2)
    .describe('Number of workers k that hold each unit; k = N is plain data parallelism'),
  granularity: z
    .enum(['block', 'neuron'])
    .default('block')
    .describe('What is masked: block: residual blocks; neuron: inner channels, hidden units and attention heads'),
  masking: z
    .enum(['forward', 'backward'])
    .default('forward')
    .describe(
      'forward: a worker computes only the units that it holds; backward: it computes the whole network, but weight gradients only of the units that it holds',
    ),
  assignment: z
    .enum(['count', 'cost', 'cyclic'])
    .default('count')
    .describe(
      'How units are distributed over the workers: count evens out their number, cost evens out FLOPs and memory, cyclic goes round the workers',
    ),
  seed: z.int().min(0).default(0).describe('Seed of the assignment of units to workers'),
  plan: userPath()
    .optional()
    .describe(
      'File that lists the holders of each unit, such as the plan.json of a run; replaces coverage and assignment',
    ),
});

export const deviceConfig = z.strictObject({
  id: z
    .string()
    .regex(/^(cpu|webgpu|cuda):\d{1,4}$/, 'must look like cpu:0')
    .describe('Device, as “sdp devices” lists it; cpu:0, cpu:1, ... share the cores of the machine'),
  threads: positiveInt.max(1024).optional().describe('Threads of a CPU device; default: an even share of the cores'),
  memory: z
    .union([z.string().max(40), z.number().max(1e15)])
    .refine((size) => parseBytes(size) !== null, 'must be a size such as 2GiB, 512MiB, 1.5GB or a number of bytes')
    .optional()
    .describe('Memory that the device may use; default: an even share of the memory of the machine'),
  workers: positiveInt
    .max(256)
    .optional()
    .describe('Number of logical workers that the device runs; default: as its speed and memory allow'),
});
export type DeviceEntry = z.infer<typeof deviceConfig>;

/** Micro-batches of a worker and step, at most. */
export const mostMicroBatches = 4096;

export const trainingConfig = z.strictObject({
  steps: positiveInt.max(1e7).default(300).describe('Optimizer steps'),
  batch: positiveInt
    .max(2 ** 24)
    .default(128)
    .describe('Samples per step, over all workers'),
  accumulation: positiveInt
    .max(mostMicroBatches)
    .default(1)
    .describe(
      'Micro-batches per worker and step, whose gradients are averaged; BatchNorm normalises each micro-batch by itself and updates its running statistics with each in turn, as in PyTorch',
    ),
  recompute: z
    .enum(['none', 'block'])
    .default('none')
    .describe(
      'block: computes the inside of each block again in the backward pass instead of keeping it; less memory, more time, same results',
    ),
  dropout: fraction
    .default(0)
    .describe('Probability of dropping a feature before the classifier, or before the head of a language model'),
  stochasticDepth: fraction
    .default(0)
    .describe(
      "Probability of dropping the last block's residual branch, per sample; block l of L is dropped with l/L of this probability",
    ),
  ...optimizerConfig.shape,
  schedule: z
    .enum(['constant', 'cosine', 'onecycle', 'step'])
    .default('constant')
    .describe('Schedule of the learning rate after the warm-up'),
  warmupSteps: z.int().min(0).max(1e9).default(0).describe('Steps of linear warm-up before the schedule'),
  finalFraction: z.number().min(0).max(1).default(0).describe('cosine: last learning rate, as a share of the peak'),
  warmupShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.3)
    .describe('onecycle: share of the steps in which the learning rate rises'),
  stepEvery: positiveInt.max(1e9).default(100).describe('step: steps between two drops of the learning rate'),
  stepFactor: z.number().gt(0).max(1).default(0.1).describe('step: factor of each drop'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .describe('Seed of initial parameters, sampling order and every random draw of training'),
});

export const evaluationConfig = z.strictObject({
  every: z.int().min(0).max(1e9).default(0).describe('Steps between evaluations; 0: at the end only'),
  batch: positiveInt
    .max(2 ** 20)
    .default(100)
    .describe('Samples per evaluation batch; for text at most the samples per worker and step'),
  samples: z.int().min(0).max(1e12).default(0).describe('Number of validation samples (images or sequences); 0: all'),
  statistics: z
    .enum(['auto', 'running', 'reestimate'])
    .default('auto')
    .describe(
      'BatchNorm statistics: running averages, or re-estimated on training batches; auto: re-estimated if masking is forward and coverage is below N',
    ),
  statisticsBatches: positiveInt.max(1000).default(16).describe('Number of training batches for the re-estimation'),
  branchScale: z
    .enum(['auto', 'none'])
    .default('auto')
    .describe('auto: scales residual branches by k/N after forward masking of blocks'),
});

export const checkpointConfig = z.strictObject({
  every: z.int().min(0).max(1e9).default(0).describe('Steps between checkpoints; 0: by time alone'),
  minutes: z
    .number()
    .min(0)
    .max(10_080)
    .default(10)
    .describe(
      'Minutes between checkpoints; 0: none by time; a checkpoint is always written at the end and when a run is stopped',
    ),
  keep: positiveInt.max(1e6).default(2).describe('Number of newest checkpoints to keep'),
});

export const runConfig = z.strictObject({
  name: z.string().min(1).max(200).default('run').describe('Name shown in lists; need not be unique'),
  model: modelConfig,
  data: dataConfig,
  subnetworks: subnetworksConfig.prefault({}),
  devices: z
    .union([
      z.literal('auto'),
      z
        .array(z.union([deviceConfig.shape.id, deviceConfig]))
        .min(1)
        .max(256),
    ])
    .default('auto')
    .describe('auto: one CPU device per core, at most one per worker'),
  training: trainingConfig.prefault({}),
  evaluation: evaluationConfig.prefault({}),
  checkpoint: checkpointConfig.prefault({}),
});

export type RunConfig = z.infer<typeof runConfig>;

/** Parses and checks a configuration that was read from YAML or came over a transport. Fails with one sentence that names the key. */
export function parseRunConfig(raw: unknown): RunConfig {
  const notPlain = plainDataProblem(raw);
  if (notPlain) throw refused(notPlain.key, notPlain.problem.replace(/key$/, 'key of the run configuration'));
  const parsed = runConfig.safeParse(resolved(raw), { reportInput: true });
  if (!parsed.success) throw configurationError(parsed.error.issues[0]!);
  checkRunConfig(parsed.data);
  return parsed.data;
}

/** With the presets of model and augmentation resolved. */
function resolved(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  const { model, data } = raw as Record<string, unknown>;
  const augments = typeof data === 'object' && data !== null && 'augmentation' in data;
  return {
    ...raw,
    ...(model !== undefined && { model: withPresets(model) }),
    ...(augments && { data: { ...data, augmentation: withAugmentationPreset(data.augmentation) } }),
  };
}

function checkRunConfig(config: RunConfig): void {
  const { workers, coverage } = config.subnetworks;
  if (coverage < 1 || coverage > workers)
    throw refused('subnetworks.coverage', `must be from 1 to the number of workers, ${workers}, got ${coverage}`);
  const { batch, accumulation } = config.training;
  if (batch % (workers * accumulation) !== 0) {
    const parts = accumulation === 1 ? '' : ` times ${accumulation} micro-batches`;
    throw refused('training.batch', `must be divisible by ${workers} workers${parts}, got ${batch}`);
  }
  if (config.training.nesterov && config.training.momentum === 0)
    throw refused('training.nesterov', 'needs training.momentum above 0');
  const problem = modelProblem(config.model) ?? augmentationProblem(config.data.augmentation);
  if (problem) throw refused(problem.key, problem.problem);
  const ids = deviceEntries(config).map((device) => device.id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice) throw refused('devices', `names ${twice} twice`);
  if (ids.length > workers) throw refused('devices', `must be at most one per worker, ${workers}, got ${ids.length}`);
  const given = deviceEntries(config).map((device) => device.workers);
  const least = given.reduce<number>((sum, count) => sum + (count ?? 1), 0);
  const areAll = given.length > 0 && !given.includes(undefined);
  if (least > workers || (areAll && least < workers))
    throw refused('devices', `must have ${workers} workers in all, got ${least}`);
}

/** Devices that the configuration names; empty for `auto`. */
export function deviceEntries(config: RunConfig): DeviceEntry[] {
  return config.devices === 'auto'
    ? []
    : config.devices.map((device) => (typeof device === 'string' ? { id: device } : device));
}

function refused(key: string, problem: string): UserError {
  return new UserError('configuration', `${key} ${problem}`, { key });
}

function configurationError(issue: z.core.$ZodIssue): UserError {
  const section = issue.path.map(String).join('.');
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const found = (issue.input as Record<string, unknown> | undefined)?.[issue.discriminator];
    const names = [...families.keys()].join(' or ');
    return refused(`${section}`, found === undefined ? 'is missing' : `must be ${names}, got ${shown(found)}`);
  }
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path.map(String), issue.keys[0]].join('.');
    return new UserError('configuration', `${key} is not a key of the run configuration`, { key });
  }
  if (issue.code === 'invalid_union')
    return refused(section, `must be auto or a list of devices such as cpu:0, got ${shown(issue.input)}`);
  return refused(section || 'the configuration', problemOf(issue));
}
