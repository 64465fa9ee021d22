// Reads case.json of a reference case (testdata/cases/README.md): model, masks, optimizer.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { caseModel, type ModelSpec } from '../families/configs.ts';
import { UserError } from '../contract/errors.ts';
import { faultOf } from '../contract/fault.ts';
import { optimizerConfig, optimizers, type OptimizerName } from '../contract/optimizers.ts';
import type { Masks } from '../models/model.ts';

const count = z.int().min(1);

/** Arguments of torch.optim, as keys of a configuration; those of the optimizer are all there. */
const caseOptimizer = z
  .looseObject({
    name: z.enum(Object.keys(optimizers) as OptimizerName[]),
    lr: z.number(),
    weight_decay: z.number(),
    betas: z.array(z.number()).default([]),
  })
  .transform(
    ({ name, lr, weight_decay, betas: [beta1, beta2], ...others }, context): z.input<typeof optimizerConfig> => {
      const given = { ...others, optimizer: name, learningRate: lr, weightDecay: weight_decay, beta1, beta2 };
      const missing = optimizers[name].keys.find((key) => given[key as keyof typeof given] === undefined);
      if (missing) context.addIssue({ code: 'custom', path: [missing], message: 'is missing' });
      return given;
    },
  )
  .pipe(optimizerConfig);

const caseFile = z.object({
  model: caseModel,
  regime: z.enum(['ddp', 'block-forward', 'block-backward', 'neuron-forward', 'neuron-backward']),
  workers: count,
  batch_per_worker: count,
  steps: count,
  optimizer: caseOptimizer,
  clip_global_norm: z.number().nullable(),
  held_blocks: z.array(z.array(z.string())),
  held_neurons: z.array(z.record(z.string(), z.array(z.int().min(0)))),
});
type CaseFile = z.infer<typeof caseFile>;

export interface Case extends Pick<CaseFile, 'workers' | 'batch_per_worker' | 'steps' | 'optimizer'> {
  model: ModelSpec;
  masks: Masks;
}

export async function readCaseFile(folder: string): Promise<Case> {
  const path = join(folder, 'case.json');
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserError('data', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const parsed = caseFile.safeParse(raw, { reportInput: true });
  if (!parsed.success) {
    const key = parsed.error.issues[0]!.path.join('.');
    throw new UserError('data', `${path}: ${faultOf(parsed.error)}`, { key });
  }
  const { workers, held_blocks, held_neurons } = parsed.data;
  if (held_blocks.length !== workers || held_neurons.length !== workers)
    throw new UserError(
      'data',
      `${path}: held_blocks and held_neurons must have an entry for each of ${workers} workers`,
    );
  const optimizer = { ...parsed.data.optimizer, clipGlobalNorm: parsed.data.clip_global_norm ?? 0 };
  return { ...parsed.data, optimizer, masks: masksOf(parsed.data) };
}

function masksOf({ regime, held_blocks, held_neurons }: CaseFile): Masks {
  return {
    granularity: regime.startsWith('neuron') ? 'neuron' : 'block',
    masking: regime.endsWith('backward') ? 'backward' : 'forward',
    held: held_blocks.map((blocks, worker) => ({ blocks, neurons: held_neurons[worker]! })),
  };
}
