// The matrix as it is written into the page.

import { expect, test } from 'vitest';
import { createSSRApp } from 'vue';
import { renderToString } from 'vue/server-renderer';
import type { Plan } from '../../../src-main/contract/plan.ts';
import type { GradientRecord } from '../../../src-main/contract/run.ts';
import { columnsOf } from '../../../src-main/testing/steps.ts';
import { detailOf } from '../../stores/testApp.ts';
import MaskMatrix from './MaskMatrix.vue';

const plan: Plan = {
  ...detailOf('r', columnsOf(0, [[], []])).plan!,
  units: [
    { id: 'layer1.0', parameters: 10, size: 1, holders: [0, 1] },
    { id: 'layer1.1', parameters: 10, size: 1, holders: [1] },
  ],
};
const gradients: GradientRecord = {
  step: 1200,
  norms: [
    [0.02, 0.3],
    [0, null],
    [1.5, 2],
  ],
  mean: [0.1, null, 1.2],
  disagreement: [0.75, 0, null],
};

const render = (props: { plan: Plan; gradients?: GradientRecord }) => renderToString(createSSRApp(MaskMatrix, props));
/** Words of the cells in the order of the page. */
const cells = (html: string) =>
  [...html.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(
    ([, inner]) => /aria-label="([^"]*)"/.exec(inner!)?.[1] ?? inner!.replace(/<[^>]*>/g, '').trim(),
  );

test('before anything is measured the matrix says who holds what, and nothing in it takes the focus', async () => {
  const html = await render({ plan });
  expect(cells(html).slice(0, 6)).toEqual(['10', 'held', 'held', '10', 'absent', 'held']);
  expect(html).not.toMatch(/tabindex|Disagreement|role="grid"/);
});

test('measured gradients are shown as shades, bars and words, and one cell can be reached with Tab', async () => {
  const html = await render({ plan, gradients });
  expect(cells(html).slice(0, 12)).toEqual([
    '10',
    'held, gradient norm 0.02',
    'held, gradient norm 0.3',
    '0.75',
    '10',
    'absent',
    'held, gradient norm not finite',
    '– one holder',
    '0',
    'held, gradient norm 1.5',
    'held, gradient norm 2',
    'not finite',
  ]);
  expect(html.match(/--shade:[^;"]*/g)).toHaveLength(6);
  expect(html.match(/tabindex="0"/g)).toHaveLength(1);
  expect(html).toContain('Gradient norm at step 1,200:');
});

test('a record of other units is not shown', async () => {
  expect(await render({ plan: { ...plan, numWorkers: 3 }, gradients })).not.toContain('Disagreement');
});
