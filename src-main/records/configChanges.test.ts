import { expect, it } from 'vitest';
import { parseRunConfig } from '../contract/runConfig.ts';
import { changesOfResults } from './configChanges.ts';

const base = {
  model: { family: 'resnet', layers: [1, 1], width: 4 },
  data: { dataset: 'digits' },
  devices: [{ id: 'cpu:0', threads: 1 }],
  training: { batch: 32 },
};
const trained = (changes: object = {}, units: string | null = null) => ({
  config: parseRunConfig({ ...base, ...changes }),
  units,
});
const changes = (to: object, from: object = {}) => changesOfResults(trained(from), trained(to));

it('names what changes results, with both values', () => {
  expect(changes({ training: { batch: 64, seed: 3 }, model: { ...base.model, width: 8 } })).toEqual([
    'model.width from 4 to 8',
    'training.batch from 32 to 64',
    'training.seed from 0 to 3',
  ]);
  expect(changes({ model: { ...base.model, layers: [1] } })).toEqual(['model.layers from [1,1] to [1]']);
  expect(changes({ devices: ['webgpu:0'] })).toEqual(['devices from cpu with 1 threads to webgpu']);
  expect(changes({ devices: ['cpu:0', 'cpu:1'] }, { devices: ['cpu:0'] })).toHaveLength(1);
  expect(changesOfResults(trained({}, 'a'), trained({}, 'b'))).toEqual(['the units of subnetworks.plan']);
});

it('says nothing of what changes none', () => {
  const devices = ['cpu:0', 'cpu:3'].map((id) => ({ id, threads: 1, memory: '1GiB' }));
  const training = { batch: 32, recompute: 'block', steps: 900 };
  const rest = { name: 'other', checkpoint: { every: 3, keep: 9 }, evaluation: { every: 5 } };
  expect(changes({ ...rest, devices, training })).toEqual([]);
});

it('names the number of steps where the learning rate depends on it', () => {
  const of = (steps: number) => ({ training: { batch: 32, steps, schedule: 'cosine' } });
  expect(changes(of(200), of(100))).toEqual(['training.steps from 100 to 200']);
});
