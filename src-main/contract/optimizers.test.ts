import { expect, it } from 'vitest';
import { isOptimizerKey, optimizerConfig, optimizerKeys, optimizers, optimizerSpec } from './optimizers.ts';
import { optimizerSlots, record } from './records.ts';

const specOf = (config: object) => optimizerSpec(optimizerConfig.parse(config));

it('tells the engine the rule of an optimizer, whose state has the names of checkpoints', () => {
  const told = [{ momentum: 0 }, { nesterov: true, weightDecay: 0.1 }, { optimizer: 'adamw', beta1: 0.8 }].map(specOf);
  expect(told.map((spec) => [spec.rule, optimizerSlots(spec)])).toEqual([
    [{ kind: 'sgd' }, []],
    [{ kind: 'momentum', momentum: 0.9, nesterov: true }, ['momentum']],
    [{ kind: 'adamw', beta1: 0.8, beta2: 0.999, eps: 1e-8 }, ['exp_avg', 'exp_avg_sq']],
  ]);
  expect(told[1]).toMatchObject({ weightDecay: 0.1, clipGlobalNorm: 0 });
});

it('makes of every optimizer a record as Rust declares it, and every key is one of some optimizer', () => {
  const names = Object.keys(optimizers);
  const schema = record('OptimizerSpec');
  for (const optimizer of names) expect(schema.safeParse(specOf({ optimizer })).success).toBe(true);
  const unused = Object.keys(optimizerKeys).filter((key) => !names.some((name) => isOptimizerKey(key, name)));
  expect(unused).toEqual([]);
});

it('refuses records that Rust does not declare', () => {
  const source = { path: '/data', seed: 1, numWorkers: 2, microBatch: 4, accumulation: 1 };
  const takes = (reads: object, more = {}) => record('BatchSource').safeParse({ ...source, reads, ...more }).success;
  expect(takes({ kind: 'tokens', sequence: 8 })).toBe(true);
  expect(takes({ kind: 'images', mean: [0], std: [1], encoded: undefined })).toBe(true);
  expect(takes({ kind: 'tokens' })).toBe(false);
  expect(takes({ kind: 'tokens', sequence: 8, mean: [] })).toBe(false);
  expect(takes({ kind: 'sounds' })).toBe(false);
  expect(takes({ kind: 'case' }, { sequence: 0 })).toBe(false);
});
