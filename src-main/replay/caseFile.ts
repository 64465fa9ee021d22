// Reads case.json of a reference case (testdata/cases/README.md): model, masks, optimizer.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { caseModel, type ModelSpec } from '../families/configs.ts';
import { UserError } from '../contract/errors.ts';
import { faultOf } from '../contract/fault.ts';
import type { Masks } from '../models/model.ts';

const count = z.int().min(1);

const caseFile = z.object({
  model: caseModel,
  regime: z.enum(['ddp', 'block-forward', 'block-backward', 'neuron-forward', 'neuron-backward']),
  workers: count,
  batch_per_worker: count,
  steps: count,
  optimizer: z.discriminatedUnion('name', [
    z.object({
      name: z.literal('sgd'),
      lr: z.number(),
      momentum: z.number(),
      weight_decay: z.number(),
      nesterov: z.boolean(),
    }),
    z.object({
      name: z.literal('adamw'),
      lr: z.number(),
      betas: z.tuple([z.number(), z.number()]),
      eps: z.number(),
      weight_decay: z.number(),
    }),
  ]),
  clip_global_norm: z.number().nullable(),
  held_blocks: z.array(z.array(z.string())),
  held_neurons: z.array(z.record(z.string(), z.array(z.int().min(0)))),
});
type CaseFile = z.infer<typeof caseFile>;

export interface Case extends Pick<
  CaseFile,
  'workers' | 'batch_per_worker' | 'steps' | 'optimizer' | 'clip_global_norm'
> {
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
  return { ...parsed.data, masks: masksOf(parsed.data) };
}

function masksOf({ regime, held_blocks, held_neurons }: CaseFile): Masks {
  return {
    granularity: regime.startsWith('neuron') ? 'neuron' : 'block',
    masking: regime.endsWith('backward') ? 'backward' : 'forward',
    held: held_blocks.map((blocks, worker) => ({ blocks, neurons: held_neurons[worker]! })),
  };
}
