// What holds of every view: no violation that axe finds, and no horizontal scrolling.

import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect } from './lab.ts';

const sizes = [
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
  { width: 3840, height: 2160 },
];

/** The page as it is, in every size, light and dark. */
export async function checkLook(page: Page): Promise<void> {
  // Colours that fade from one scheme to the other would be measured half-way.
  await page.emulateMedia({ reducedMotion: 'reduce' });
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
