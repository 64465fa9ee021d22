import { expect, test } from 'vitest';
import { isOlder, nodeProblem } from './tools.mjs';
import { tail } from './processes.mjs';

test('Node versions that work are let through, others refused in one sentence', () => {
  const verdicts = ['18.20.0', '20.18.3', '20.19.0', '21.7.3', '22.11.0', '22.12.0', '24.0.0'].map((version) => [
    version,
    nodeProblem(version) === undefined,
  ]);
  expect(Object.fromEntries(verdicts)).toEqual({
    '18.20.0': false,
    '20.18.3': false,
    '20.19.0': true,
    '21.7.3': false,
    '22.11.0': false,
    '22.12.0': true,
    '24.0.0': true,
  });
  expect(nodeProblem('18.20.0')).toBe(
    'SDP Lab needs Node 20.19 or newer, or 22.12 or newer; this is 18.20.0. Get it from https://nodejs.org.',
  );
});

test('versions compare by number, not by text', () => {
  expect(isOlder('1.9', '1.92')).toBe(true);
  expect(isOlder('1.100', '1.92')).toBe(false);
  expect(isOlder('1.92', '1.92')).toBe(false);
});

test('an error shows the last lines of the output', () => {
  expect(tail('one\ntwo\nthree\n', 2)).toBe('  two\n  three');
});
