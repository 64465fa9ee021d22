import { expect, test } from 'vitest';
import { formValues } from './fields.ts';
import { stopsOf, withConsequences } from './sliders.ts';

const values = { ...formValues(), 'training.batch': '12', 'subnetworks.workers': '4', 'subnetworks.coverage': '3' };

test('workers stop at divisors of the batch, coverage at every number of workers', () => {
  expect(stopsOf('subnetworks.workers', values)).toEqual([1, 2, 3, 4, 6, 12]);
  expect(stopsOf('subnetworks.workers', { ...values, 'training.accumulation': '2' })).toEqual([1, 2, 3, 6]);
  expect(stopsOf('subnetworks.coverage', values)).toEqual([1, 2, 3, 4]);
  expect(stopsOf('training.steps', values)).toBeUndefined();
  expect(stopsOf('subnetworks.workers', { ...values, 'training.batch': 'many' })).toEqual([]);
});

test('coverage goes down with the workers, and stays where there are enough', () => {
  expect(withConsequences('subnetworks.workers', '2', values)['subnetworks.coverage']).toBe('2');
  expect(withConsequences('subnetworks.workers', '6', values)['subnetworks.coverage']).toBe('3');
  expect(withConsequences('subnetworks.coverage', '9', values)['subnetworks.coverage']).toBe('9');
});
