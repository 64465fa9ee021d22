// Every view: no violation that axe finds, light and dark, and no horizontal scrolling from 1280 x 720 to 3840 x 2160.

import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './lab.ts';

const datasets = join(import.meta.dirname, '../testdata/datasets');
const sizes = [
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
  { width: 3840, height: 2160 },
];

test('views have no accessibility violations and fit every size, light and dark', async ({ lab }) => {
  const { page } = lab;
  // Colours that fade from one scheme to the other would be measured half-way.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await expect(page.getByRole('region', { name: 'Mask matrix' })).toBeVisible({ timeout: 180_000 });
  const run = new URL(page.url()).hash;
  for (const [hash, landmark] of [
    [run, 'Mask matrix'],
    ['#/plan', 'Memory by device'],
    ['#/data', 'Import'],
    ['#/data/mnist', 'Samples'],
    [`#/compare/${run.split('/').at(-1)!}`, 'Figures'],
    ['#/help', ''],
    ['#/settings', 'Appearance'],
    ['#/', 'Recent runs'],
  ] as const) {
    await page.evaluate((to) => (location.hash = to), hash);
    const place = landmark
      ? page.getByRole('region', { name: landmark, exact: true })
      : page.getByRole('heading', { level: 1 });
    await expect(place).toBeVisible();
    await check(page);
  }
  await page.evaluate(() => (location.hash = '#/data'));
  for (const [path, shown] of [
    ['jpeg', 'Images of 16 x 16'],
    ['text', 'Tokenizer: '],
    ['kinds', 'Not recognised'],
  ] as const) {
    await page.getByLabel('Path').fill(join(datasets, path));
    await page.getByRole('button', { name: 'Look inside' }).click();
    const found = page.getByRole('region', { name: 'What was found' });
    await expect(found).toContainText(shown);
    await found.locator('details').evaluate((details: HTMLDetailsElement) => (details.open = true));
    await check(page);
  }
});

/** In every size, light and dark. */
async function check(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await checkAccessibility(page);
    for (const size of sizes) await checkFit(page, size);
  }
}

async function checkAccessibility(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])).toEqual([]);
}

async function checkFit(page: Page, size: { width: number; height: number }): Promise<void> {
  await page.setViewportSize(size);
  const widths = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(widths[0]).toBeLessThanOrEqual(widths[1]!);
}
