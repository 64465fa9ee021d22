import { expect, it } from 'vitest';
import { sampleToken } from './sampleToken.ts';

it('takes the likeliest at temperature 0, and draws by probability else', () => {
  const logits = [Math.log(1), Math.log(3), Math.log(4)];
  expect(sampleToken(logits, 0, 0.01)).toBe(2);
  expect([0, 0.12, 0.13, 0.49, 0.51, 0.999].map((draw) => sampleToken(logits, 1, draw))).toEqual([0, 0, 1, 1, 2, 2]);
  expect(sampleToken([NaN, NaN], 1, 0.5)).toBe(0);
});
