import { describe, expect, it } from 'vitest';
import type { UnitHolders } from '../contract/plan.ts';
import type { UserError } from '../contract/errors.ts';
import { unitHolders } from './connectivity.ts';
import { coverageOf, explicitMasks } from './explicit.ts';

const model = {
  blocks: ['a', 'b'],
  groups: [
    { id: 'a/channels', size: 3 },
    { id: 'b/channels', size: 2 },
  ],
};

const masks = (granularity: 'block' | 'neuron', units: UnitHolders[]) =>
  explicitMasks(model, { granularity, masking: 'forward', numWorkers: 3 }, { file: 'plan.yaml', units });

describe('an explicit plan', () => {
  it('of blocks gives every worker what the file says, in the order of the model', () => {
    const read = masks('block', [
      { id: 'b', holders: [2, 0] },
      { id: 'a', holders: [1] },
    ]);
    expect(read.held.map((held) => held.blocks)).toEqual([['b'], ['a'], ['b']]);
    expect(coverageOf(model, read)).toEqual({ least: 1, most: 2, mean: 1.5 });
  });

  it('of neurons likewise; holders that plan.json leaves empty do no harm', () => {
    const read = masks('neuron', [
      { id: 'a/channels', holders: [], held: [[2, 0], [1], []] },
      { id: 'b/channels', held: [[0], [0, 1], [1]] },
    ]);
    expect(read.held[0]).toEqual({ blocks: ['a', 'b'], neurons: { 'a/channels': [0, 2], 'b/channels': [0] } });
    expect(unitHolders(model, read)).toEqual([[0], [1], [0], [0, 1], [1, 2]]);
  });

  const a = { id: 'a', holders: [0] };
  const b = { id: 'b', holders: [1] };
  const channels = { id: 'b/channels', held: [[0, 1], [], []] };
  it.each<[string, 'block' | 'neuron', UnitHolders[], string]>([
    [
      'an unknown unit',
      'block',
      [a, b, { id: 'c', holders: [0] }],
      'names the unit c, which the model does not have; its units are a, b',
    ],
    ['a unit twice', 'block', [a, b, a], 'names the unit a twice'],
    ['a unit that is missing', 'block', [a], 'leaves the unit b without a holder'],
    ['no holders', 'block', [a, { id: 'b', holders: [] }], 'leaves the unit b without a holder'],
    ['indices for blocks', 'block', [a, { id: 'b', held: [[0]] }], 'leaves the unit b without a holder'],
    [
      'a worker that is not there',
      'block',
      [a, { id: 'b', holders: [3] }],
      'gives the unit b to worker 3; the workers are 0 to 2',
    ],
    [
      'half a worker',
      'block',
      [a, { id: 'b', holders: [0.5] }],
      'gives the unit b to worker 0.5; the workers are 0 to 2',
    ],
    ['a worker twice', 'block', [a, { id: 'b', holders: [1, 1] }], 'gives the unit b to worker 1 twice'],
    [
      'a block under neuron granularity',
      'neuron',
      [a],
      'names the unit a, which the model does not have; its units are a/channels, b/channels',
    ],
    [
      'holders for neurons',
      'neuron',
      [{ id: 'a/channels', holders: [0] }, channels],
      'must have, as held of a/channels, a list of indices for each of 3 workers',
    ],
    [
      'lists for too few workers',
      'neuron',
      [{ id: 'a/channels', held: [[0, 1, 2]] }, channels],
      'must have, as held of a/channels, a list of indices for each of 3 workers, got 1 lists',
    ],
    [
      'an index that is not there',
      'neuron',
      [{ id: 'a/channels', held: [[0, 1, 3], [], []] }, channels],
      'gives worker 0 the index 3 of a/channels; its indices are 0 to 2',
    ],
    [
      'an index twice',
      'neuron',
      [{ id: 'a/channels', held: [[0, 1, 2, 0], [], []] }, channels],
      'gives worker 0 the index 0 of a/channels twice',
    ],
    [
      'an index without holder',
      'neuron',
      [{ id: 'a/channels', held: [[0], [2], []] }, channels],
      'leaves index 1 of a/channels without a holder',
    ],
  ])('with %s is refused with one sentence', (_, granularity, units, problem) => {
    try {
      masks(granularity, units);
    } catch (error) {
      const { code, message, key } = error as UserError;
      return expect([code, message, key]).toEqual([
        'configuration',
        `the plan plan.yaml ${problem}`,
        'subnetworks.plan',
      ]);
    }
    throw new Error('the plan was accepted');
  });
});
