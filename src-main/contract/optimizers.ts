// The optimizers, with the semantics of torch.optim: what each is called, its keys of a configuration, and the rule that the engine is told.
//
// A new optimizer is an entry of `optimizers`, with schemas of keys that no other has, and its rule in native/core/src/optimizer.rs, which has
// the names of its state. Forms, layout, memory and checkpoints follow.

import { z } from 'zod';
import type { OptimizerSpec, UpdateRule } from './records.ts';

/** What float32 holds: larger values are infinite where they are used. */
const largestFloat = 3.4e38;
const fraction = z.number().min(0).lt(1);
const size = z.number().min(0).max(largestFloat);

/** Keys that not every optimizer has. */
export const optimizerKeys = {
  momentum: fraction.default(0.9).describe('sgd: momentum'),
  nesterov: z.boolean().default(false).describe('sgd: Nesterov momentum'),
  beta1: fraction.default(0.9).describe('adamw: decay rate of the mean of the gradients'),
  beta2: fraction.default(0.999).describe('adamw: decay rate of the mean of the squared gradients'),
  eps: size.default(1e-8).describe('adamw: added to the root of the second moment'),
};
type Keys = { [Key in keyof typeof optimizerKeys]: z.output<(typeof optimizerKeys)[Key]> };

interface Optimizer {
  title: string;
  /** Those that have an effect. */
  keys: readonly (keyof Keys)[];
  rule(keys: Keys): UpdateRule;
}

export const optimizers = {
  sgd: {
    title: 'SGD',
    keys: ['momentum', 'nesterov'],
    rule: ({ momentum, nesterov }) => (momentum > 0 ? { kind: 'momentum', momentum, nesterov } : { kind: 'sgd' }),
  },
  adamw: {
    title: 'AdamW',
    keys: ['beta1', 'beta2', 'eps'],
    rule: ({ beta1, beta2, eps }) => ({ kind: 'adamw', beta1, beta2, eps }),
  },
} as const satisfies Record<string, Optimizer>;
export type OptimizerName = keyof typeof optimizers;

/** Part of the section `training`. */
export const optimizerConfig = z.object({
  optimizer: z
    .enum(Object.keys(optimizers) as OptimizerName[])
    .default('sgd')
    .describe('Optimizer, with the semantics of torch.optim'),
  learningRate: size.default(0.05).describe('Peak learning rate'),
  ...optimizerKeys,
  weightDecay: size.default(0.0005).describe('Weight decay of parameters with two or more dimensions'),
  clipGlobalNorm: size.default(0).describe('Largest global L2 norm of the averaged gradient; 0: no clipping'),
});
export type OptimizerConfig = z.infer<typeof optimizerConfig>;

/** What the engine is told. */
export function optimizerSpec(config: OptimizerConfig): OptimizerSpec {
  const { optimizer, weightDecay, clipGlobalNorm } = config;
  return { rule: optimizers[optimizer].rule(config), weightDecay, clipGlobalNorm };
}

/** Whether a key has an effect on an optimizer. */
export const isOptimizerKey = (key: string, optimizer: string): boolean =>
  (Object.entries(optimizers) as [string, Optimizer][]).some(
    ([name, { keys }]) => name === optimizer && (keys as readonly string[]).includes(key),
  );
