// The whole story on real input: the sample run through the page, watched while it learns, stopped, resumed after reopening, exported; the
// exported model then reads digits that it has never seen.

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { datasetSource } from '../src-main/data/catalogue.ts';
import { samplePath } from '../src-main/data/samples.ts';
import { logitsOfOnnx } from '../src-main/export/verify.ts';
import { native } from '../src-main/native.ts';
import { mouse } from './hands.ts';
import { expect, test } from './lab.ts';

const figure = async (page: Page, name: string) => {
  const text = await page
    .locator('dl > div', { has: page.locator('dt', { hasText: name }) })
    .first()
    .locator('dd')
    .innerText();
  return Number.parseFloat(text.replace(/[^\d.+-]/g, ' ').trim());
};
const region = (page: Page, name: string) => page.getByRole('region', { name });

test('the sample learns, stops, resumes and is exported as a model that reads digits', async ({ lab }) => {
  test.setTimeout(20 * 60_000);
  await lab.page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await expect(lab.page).toHaveURL(/#\/runs\/\d{8}-\d{6}-mnist-resnet18/);
  const address = lab.page.url();

  await expect(region(lab.page, 'Mask matrix').getByRole('rowheader', { name: /^layer/ })).toHaveCount(8);
  await expect(region(lab.page, 'Devices and memory')).toContainText('measured');
  await expect(region(lab.page, 'Time of a step').getByRole('listitem')).not.toHaveCount(0);
  await expect.poll(() => figure(lab.page, 'Step'), { timeout: 180_000 }).toBeGreaterThan(5);
  const early = await figure(lab.page, 'Mean loss');

  await lab.page.reload();
  await expect(lab.page.getByRole('heading', { name: 'mnist-resnet18' })).toBeVisible();
  expect(lab.page.url()).toBe(address);
  await expect.poll(() => figure(lab.page, 'Accuracy'), { timeout: 600_000 }).toBeGreaterThan(80);
  expect(await figure(lab.page, 'Mean loss')).toBeLessThan(early / 2);

  await lab.page.getByRole('button', { name: 'Stop run' }).click();
  await expect(lab.page.getByRole('button', { name: 'Resume run' })).toBeVisible({ timeout: 180_000 });
  const stoppedAt = await figure(lab.page, 'Step');

  await lab.restart();
  await lab.page.getByRole('link', { name: 'mnist-resnet18' }).click();
  await lab.page.getByRole('button', { name: 'Resume run' }).click();
  await expect.poll(() => figure(lab.page, 'Step'), { timeout: 180_000 }).toBeGreaterThan(stoppedAt);
  await lab.page.getByRole('button', { name: 'Stop run' }).click();
  await expect(lab.page.getByRole('button', { name: 'Resume run' })).toBeVisible({ timeout: 180_000 });

  for (const [name, file] of [
    ['ONNX', 'model.onnx'],
    ['safetensors', 'model.safetensors'],
  ] as const) {
    await mouse(lab.page).choose(lab.page.getByRole('button', { name: 'Export', exact: true }), name);
    await expect(lab.page.getByRole('list', { name: 'Exports' })).toContainText(file, { timeout: 300_000 });
  }
  expect(await accuracyOfExport(lab.home, 1000)).toBeGreaterThan(0.8);
});

/** Share of the first test digits that the exported ONNX model names rightly. */
async function accuracyOfExport(home: string, samples: number): Promise<number> {
  const [run] = await readdir(join(home, 'runs'));
  const exports = join(home, 'runs', run!, 'exports');
  const [step] = await readdir(exports);
  const { path, images } = await datasetSource(home, 'mnist', 'test');
  const data = await native().readImages(path, images!, [...Array(samples).keys()]);
  const logits = await logitsOfOnnx(join(exports, step!, 'model.onnx'), { data, shape: [samples, 1, 28, 28] });
  const labels = (await readFile(join(samplePath('mnist'), 't10k-labels-idx1-ubyte'))).subarray(8);
  const right = Array.from({ length: samples }, (_, sample) => {
    const row = [...logits.subarray(10 * sample, 10 * sample + 10)];
    return row.indexOf(Math.max(...row)) === labels[sample];
  });
  return right.filter(Boolean).length / samples;
}
