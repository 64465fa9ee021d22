import { expect, test } from 'vitest';
import { addressOf, parseRoute } from './router.ts';

test('every address leads back to its view', () => {
  expect(parseRoute(addressOf.home)).toEqual({ view: 'home' });
  expect(parseRoute('')).toEqual({ view: 'home' });
  expect(parseRoute('#key=abcdefgh-0123456')).toEqual({ view: 'home' });
  expect(parseRoute(addressOf.new())).toEqual({ view: 'new', sampleId: '' });
  expect(parseRoute(addressOf.new('a/b'))).toEqual({ view: 'new', sampleId: 'a/b' });
  expect(parseRoute(addressOf.run('2026-11-21.1'))).toEqual({ view: 'run', runId: '2026-11-21.1' });
});

test('anything else is unknown, and a broken escape breaks nothing', () => {
  expect(['#/runs', '#/runs/', '#/elsewhere', '#/runs/a/b'].map((hash) => parseRoute(hash).view)).toEqual(
    Array(4).fill('unknown'),
  );
  expect(parseRoute('#/runs/%')).toEqual({ view: 'run', runId: '%' });
});
