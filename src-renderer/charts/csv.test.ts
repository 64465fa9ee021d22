import { expect, test } from 'vitest';
import { csvOf } from './csv.ts';

test('cells are quoted where they must be, and never formulas', () => {
  expect(
    csvOf([
      ['name', 'loss'],
      ['a "b", c', 1.5],
      ['=1+1', null],
      [-3, NaN],
    ]),
  ).toBe('name,loss\r\n"a ""b"", c",1.5\r\n\'=1+1,\r\n-3,NaN\r\n');
});
