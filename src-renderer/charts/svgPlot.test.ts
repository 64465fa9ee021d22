import { expect, test } from 'vitest';
import { svgOf, ticks, type Picture } from './svgPlot.ts';

const picture: Picture = {
  title: 'Loss',
  xName: 'step',
  yName: 'loss',
  lines: [
    { name: '<img src=x> & "run"\u0000', colour: '#1f6fb4', dash: [], x: [0, 1, 2], y: [3, null, 1] },
    { name: 'band', colour: '#dd7a12', dash: [6, 3], x: [0, 2], y: [2, 2], low: [1, 1], high: [3, 3] },
  ],
  logarithmic: false,
  formatX: String,
  formatY: String,
};

test('names are text and nothing else', () => {
  const svg = svgOf(picture);
  expect(svg).toContain('&#60;img src=x&#62; &#38; &#34;run&#34;</text>');
  expect(svg).not.toContain('<img');
  expect(svg).not.toContain('\u0000');
});

test('gaps break lines, bands are closed, and nothing is not a number', () => {
  const svg = svgOf(picture);
  expect(svg).toContain('d="M80.0 48.0M936.0 440.0"');
  expect(svg).toMatch(/d="M[\d. L]+Z" fill="#dd7a12"/);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svgOf({ ...picture, lines: [], logarithmic: true })).not.toMatch(/NaN|Infinity|undefined/);
});

test('ticks are round', () => {
  expect(ticks([0, 60])).toEqual([0, 10, 20, 30, 40, 50, 60]);
  expect(ticks([0, 60], 2)).toEqual([0, 16, 32, 48]);
  expect(ticks([0, 5 * 2 ** 30], 2)).toEqual([0, 1, 2, 3, 4, 5].map((gibibytes) => gibibytes * 2 ** 30));
  expect(ticks([0.13, 0.19])).toEqual(
    [0.13, 0.14, 0.15, 0.16, 0.17, 0.18, 0.19].map((v) => expect.closeTo(v, 10) as number),
  );
});
