// Every view of a home with some short runs, as pictures to look at, and those of the user's guide.

import { join } from 'node:path';
import { expect, test } from '../lab.ts';

const folder = join(import.meta.dirname, '../../out/screenshots');
const sizes = [
  { width: 1280, height: 720 },
  { width: 1920, height: 1080 },
  { width: 3840, height: 2160 },
];
/** A laptop's window, and of a run the whole page. */
const guide = {
  folder: join(import.meta.dirname, '../../docs/images'),
  views: ['data', 'plan', 'run', 'compare', 'try'],
  size: { width: 1600, height: 1000 },
};
const runs = [
  { name: 'coverage 2', seed: 0, coverage: 2 },
  { name: 'coverage 2', seed: 1, coverage: 2 },
  { name: 'data parallel', seed: 0, coverage: 4 },
];
const config = (run: (typeof runs)[number]) => `name: ${run.name}
model: { family: resnet, layers: [2, 2, 2, 2], width: 16 }
data: { dataset: mnist }
subnetworks: { workers: 4, coverage: ${run.coverage} }
training: { steps: 120, batch: 128, learningRate: 0.1, schedule: onecycle, seed: ${run.seed} }
evaluation: { every: 20, batch: 250, samples: 1000 }
`;

test('pictures of every view', async ({ lab }) => {
  test.setTimeout(20 * 60_000);
  const { page } = lab;
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const ids: string[] = [];
  for (const run of runs) {
    await page.evaluate(() => (location.hash = '#/plan'));
    await page.getByRole('button', { name: 'Edit as YAML' }).click();
    await page.getByLabel('Configuration as YAML').fill(config(run));
    await page.getByRole('button', { name: 'Start run' }).click();
    await page.waitForURL(/#\/runs\//);
    ids.push(decodeURIComponent(page.url().split('/').at(-1)!));
    await expect(page.getByLabel('State of the run')).toContainText('Done', { timeout: 300_000 });
    await page.evaluate(() => (location.hash = '#/'));
    await expect(page.getByRole('region', { name: 'Recent runs' })).toBeVisible();
  }
  const views = [
    ['home', '#/', 'Recent runs'],
    ['data', '#/data/mnist', 'Samples'],
    ['plan', `#/plan/run/${ids[1]}`, 'Memory by device'],
    ['run', `#/runs/${ids[1]}`, 'Memory over time'],
    ['compare', `#/compare/${ids.join(',')}`, 'Figures'],
    ['try', `#/runs/${ids[1]}/try`, 'Image'],
    ['settings', '#/settings', 'Appearance'],
    ['help', '#/help', ''],
  ] as const;
  for (const [name, hash, landmark] of views) {
    await page.evaluate((to) => (location.hash = to), hash);
    const place = landmark ? page.getByRole('region', { name: landmark, exact: true }) : page.getByRole('article');
    await expect(place).toBeVisible({ timeout: 120_000 });
    if (name === 'try') await page.getByRole('button', { name: 'Validation sample' }).click();
    await page.waitForTimeout(1000);
    if (guide.views.includes(name)) {
      await page.setViewportSize(guide.size);
      await page.emulateMedia({ colorScheme: 'light' });
      await page.waitForTimeout(1000);
      // Paths of the machine that makes the pictures do not belong there. The page's CSP forbids a style sheet of ours.
      const paths = page.locator('.mono', { hasText: /^\// });
      await paths.evaluateAll((found) => found.forEach((one) => ((one as HTMLElement).style.visibility = 'hidden')));
      await page.screenshot({ path: join(guide.folder, `${name}.png`), fullPage: name === 'run' });
      await paths.evaluateAll((found) => found.forEach((one) => ((one as HTMLElement).style.visibility = '')));
    }
    for (const size of sizes) {
      await page.setViewportSize(size);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(200);
        await page.screenshot({ path: join(folder, `${name}-${size.width}-${colorScheme}.png`) });
      }
    }
  }
});
