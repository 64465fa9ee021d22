import { expect, test } from 'vitest';
import { addressOf, parseRoute } from './router.ts';

test.each([
  ['', { view: 'home' }],
  ['#/', { view: 'home' }],
  ['#key=abcdefghijklmnop', { view: 'home' }],
  ['#/data', { view: 'data', dataset: '' }],
  ['#/plan', { view: 'plan', from: '', id: '' }],
  ['#/plan/nowhere/x', { view: 'unknown' }],
  ['#/settings', { view: 'settings' }],
  ['#/compare', { view: 'compare', runIds: [] }],
  ['#/runs/', { view: 'unknown' }],
  ['#/runs/a/b', { view: 'unknown' }],
  ['#/runs/a/try/c', { view: 'unknown' }],
  ['#/elsewhere', { view: 'unknown' }],
  ['#/runs/%', { view: 'run', runId: '%' }],
])('%j opens %j', (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});

test('an address leads back to what it was made of', () => {
  const name = 'a/b ?,<i>';
  expect(parseRoute(addressOf.data(name))).toEqual({ view: 'data', dataset: name });
  expect(parseRoute(addressOf.planFrom('run', name))).toEqual({ view: 'plan', from: 'run', id: name });
  expect(parseRoute(addressOf.run(name))).toEqual({ view: 'run', runId: name });
  expect(parseRoute(addressOf.tryRun('r.1'))).toEqual({ view: 'try', runId: 'r.1' });
  expect(parseRoute(addressOf.compare(['a', 'b']))).toEqual({ view: 'compare', runIds: ['a', 'b'] });
  expect(parseRoute(addressOf.help('coverage'))).toEqual({ view: 'help', topic: 'coverage' });
});
