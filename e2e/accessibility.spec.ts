// Every view, and every layer over it: its title, no violation that axe finds, light and dark, and no horizontal scrolling from 1280 x 720 to 3840 x 2160.

import { join } from 'node:path';
import { expect, test } from './lab.ts';
import { checkLook } from './look.ts';

const datasets = join(import.meta.dirname, '../testdata/datasets');

test('views have no accessibility violations and fit every size, light and dark', async ({ lab }) => {
  const { page } = lab;
  await page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await expect(page.getByRole('region', { name: 'Mask matrix' })).toBeVisible({ timeout: 180_000 });
  const run = new URL(page.url()).hash;
  for (const [hash, landmark, title] of [
    [run, 'Mask matrix', / · .+ · SDP Lab$/],
    ['#/plan', 'Memory by device', 'Plan · SDP Lab'],
    ['#/data', 'Import', 'Data · SDP Lab'],
    ['#/data/mnist', 'Samples', 'mnist · Data · SDP Lab'],
    [`#/compare/${run.split('/').at(-1)!}`, 'Figures', 'Compare · SDP Lab'],
    ['#/help', '', 'Help · SDP Lab'],
    ['#/settings', 'Appearance', 'Settings · SDP Lab'],
    ['#/nowhere', '', 'Nothing here · SDP Lab'],
    ['#/', 'Recent runs', 'Home · SDP Lab'],
  ] as const) {
    await page.evaluate((to) => (location.hash = to), hash);
    const place = landmark
      ? page.getByRole('region', { name: landmark, exact: true })
      : page.getByRole('heading', { level: 1 });
    await expect(place).toBeVisible();
    await expect(page).toHaveTitle(title);
    await checkLook(page);
  }
  await page.evaluate(() => (location.hash = '#/data'));
  for (const [path, shown] of [
    ['jpeg', 'Images of 16 x 16'],
    ['text/plain.txt', 'Tokenizer: '],
    ['text', 'say which are the text'],
    ['kinds', 'no folders that name their classes'],
  ] as const) {
    await page.getByLabel('Path').fill(join(datasets, path));
    await page.getByRole('button', { name: 'Look inside' }).click();
    const found = page.getByRole('region', { name: 'What was found' });
    await expect(found).toContainText(shown);
    await found.locator('details').evaluateAll((all: HTMLDetailsElement[]) => all.forEach((one) => (one.open = true)));
    await checkLook(page);
  }
});

test('what opens over a view has the focus, gives it back on Escape, and has no accessibility violations', async ({
  lab,
}) => {
  const { page } = lab;
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  await page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await button('Stop run').click({ timeout: 180_000 });
  const back = button('Delete…');
  await back.focus();
  await page.keyboard.press('Control+K');
  await expect(page.getByRole('combobox', { name: 'Go to view, run, dataset or action' })).toBeFocused();
  await page.keyboard.type('data');
  await expect(page.getByRole('option', { name: 'mnist, Dataset' })).toBeVisible();
  await checkLook(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(back).toBeFocused();

  await page.keyboard.press('Enter');
  await expect(page.getByRole('alertdialog')).toHaveAccessibleDescription(/cannot be undone/);
  await expect(button('Keep')).toBeFocused();
  await checkLook(page);
  await page.keyboard.press('Escape');
  await expect(back).toBeFocused();

  await button('Export').press('Enter');
  await expect(page.getByRole('menuitem', { name: 'safetensors' })).toBeFocused();
  await checkLook(page);
  await page.keyboard.press('Escape');
  await expect(button('Export')).toBeFocused();

  await page.getByRole('tab', { name: 'Steps' }).press('ArrowRight');
  await expect(page.getByRole('log')).toBeVisible();
  const keys = page.getByRole('group', { name: 'Configuration keys' });
  await keys.getByText('name', { exact: true }).focus();
  await page.keyboard.press('ArrowDown');
  await expect(keys.getByText('model.family', { exact: true })).toBeFocused();
  await expect(page.getByRole('tooltip')).toBeAttached();
  await checkLook(page);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('tooltip')).toHaveCount(0);
});
