// A run that the user configures: plan preview, errors at their field, start, end, and the list of runs.

import { samplePath } from '../src-main/data/samples.ts';
import { expect, test } from './lab.ts';

test('a dataset is imported by path, a changed plan is previewed, refused where it is wrong, and runs to its end', async ({
  lab,
}) => {
  const { page } = lab;
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Data' }).click();
  await page.getByLabel('Path').fill(samplePath('mnist'));
  await page.getByRole('button', { name: 'Look inside' }).click();
  await page.getByLabel('Name').fill('digits');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText(
    '60,000 training and 10,000 validation samples',
    { timeout: 180_000 },
  );

  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Plan' }).click();
  const field = (name: string) => page.getByRole('form', { name: 'Configuration' }).getByLabel(name, { exact: true });
  const open = (section: string) => page.locator('summary', { hasText: section }).click();
  await field('Dataset').selectOption('digits');
  await field('Width').fill('4');
  await field('Steps').fill('6');
  await open('Evaluation');
  await field('Samples').fill('200');
  await field('Every').first().fill('0');
  const matrix = page.getByRole('region', { name: 'Mask matrix' });
  await field('Assignment').selectOption('cost');
  await expect(matrix.getByText('Spectral gap').first()).toBeVisible();
  await open('Devices');
  await field('Devices').getByRole('button', { name: 'Add device' }).click();
  await field('Memory of device 1').fill('60MiB');
  const misfit = page.getByRole('alert').filter({ hasText: 'The plan does not fit: cpu:0 needs' });
  const needed = Number(/needs ([\d.]+)\sMiB/.exec(await misfit.innerText())![1]);
  await field('Memory of device 1').fill(`${needed - 1}MiB`);
  await misfit.getByRole('button', { name: /^Use [\w.]+=\w+$/ }).click();
  await expect(misfit).toHaveCount(0);
  await field('Devices').getByRole('button', { name: 'Remove device 1' }).click();
  await field('Coverage').fill('9');
  await expect(page.getByText('must be from 1 to the number of workers, 4, got 9').first()).toBeVisible();
  await field('Coverage').fill('4');
  await expect(matrix.getByRole('rowheader', { name: /^layer/ })).toHaveCount(8);
  await page.getByRole('button', { name: 'Start run' }).click();
  await expect(page).toHaveURL(/#\/runs\//);
  await expect(page.getByRole('status').filter({ hasText: 'Done' })).toHaveCount(1, { timeout: 300_000 });

  await page.reload();
  await expect(matrix).toContainText('Gradient norm at step 6');
  await matrix.locator('[tabindex="0"]').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await expect(page.locator(':focus').getByRole('img')).toHaveAccessibleName(/^held, gradient norm \d/);
  await expect(matrix).toContainText(
    /layer1\.1, worker 3: gradient norm [\d.]+; average of its holders [\d.]+, disagreement \d/,
  );
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Home' }).click();
  await expect(page.getByRole('region', { name: 'Recent runs' })).toContainText('6 of 6');
});

test('an address of no run says so', async ({ lab }) => {
  await expect(lab.page.getByRole('heading', { name: 'Home' })).toBeAttached();
  await lab.page.evaluate(() => (location.hash = '#/runs/never'));
  await expect(lab.page.getByRole('heading', { name: 'This run cannot be shown' })).toBeVisible();
});
