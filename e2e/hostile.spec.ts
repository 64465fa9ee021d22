// Hostile content: names with markup, right-to-left text, very long names, 1,000 runs, 10,000 classes, losses that are not finite. All of it
// is shown as text, and no view scrolls sideways.

import { link, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './lab.ts';

const markup = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
const rightToLeft = 'تدريب \u202e‮ הרצה';
const long = 'a-very-long-name-without-any-break-'.repeat(5).slice(0, 200);
const longDataset = long.slice(0, 100);

test('hostile names and numbers are shown as text and break nothing', async ({ lab }) => {
  test.setTimeout(10 * 60_000);
  await lab.page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await expect(lab.page.getByLabel('State of the run')).toContainText('Training, step', { timeout: 180_000 });
  await lab.page.getByRole('button', { name: 'Stop run' }).click();
  await expect(lab.page.getByRole('button', { name: 'Resume run' })).toBeVisible({ timeout: 120_000 });
  const source = decodeURIComponent(new URL(lab.page.url()).hash.split('/').at(-1)!);
  await spoil(lab.home, source);
  await lab.restart();
  const { page } = lab;

  const runs = page.getByRole('region', { name: 'Recent runs' });
  await expect(runs).toContainText(markup);
  await expect(runs).toContainText('988 older');
  await checkView(page);
  for (const name of ['markup', 'long', 'rtl']) {
    await page.evaluate((to) => (location.hash = to), `#/runs/20270101-000000-${name}`);
    await expect(page.getByRole('alert').filter({ hasText: 'was not finite' })).toBeVisible();
    await checkView(page);
  }
  await expect(page.getByRole('region', { name: 'Loss' })).toContainText('not finite');
  await page.evaluate(
    (to) => (location.hash = to),
    '#/compare/20270101-000000-markup,20270101-000000-long,20270101-000000-rtl',
  );
  await expect(page.getByRole('region', { name: 'Figures of the runs' })).toContainText('n = 3');
  await checkView(page);
  for (const name of ['mnist', longDataset]) {
    await page.evaluate((to) => (location.hash = to), `#/data/${name}`);
    await expect(page.getByRole('region', { name: 'Classes' })).toContainText('training samples');
    await expect(page.getByRole('region', { name: 'Datasets' })).toContainText(longDataset);
    await checkView(page);
  }
  await page.evaluate((to) => (location.hash = to), `#/runs/${source}/try`);
  await expect(page.getByRole('alert').filter({ hasText: /fc\.weight .* expected/ })).toBeVisible({ timeout: 60_000 });
  await checkView(page);
  await page.evaluate(() => (location.hash = '#/data'));
  await page.getByLabel('Path').fill(join(lab.home, 'texts'));
  await page.getByRole('button', { name: 'Look inside' }).click();
  await expect(page.getByRole('region', { name: 'As the model will see it' })).toContainText('onerror');
  const name = page.getByRole('region', { name: 'What was found' }).getByLabel('Name');
  for (const wrong of [markup, rightToLeft, long]) {
    await name.fill(wrong);
    await expect(name).toHaveAttribute('aria-invalid', 'true');
    await checkView(page);
  }
});

/** No name became markup, and nothing scrolls sideways. */
async function checkView(page: Page): Promise<void> {
  await expect(page.locator('img[src="x"]')).toHaveCount(0);
  const [scroll, client] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(scroll).toBeLessThanOrEqual(client);
}

/** 999 copies of a run, some with spoilt names and losses; a dataset of 10,000 classes, also under a long name; texts full of markup. */
async function spoil(home: string, source: string): Promise<void> {
  const folder = join(home, 'runs', source);
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  const [state, config] = [await read('state.json'), await read('config.yaml')];
  const [metrics, plan] = [await read('metrics.jsonl'), await read('plan.json')];
  const stored = JSON.parse(state) as { summary: object };
  const spoilt = metrics.replaceAll(/"loss":\[[^\]]*\]/g, '"loss":[null,null,1,2]');
  const write = async (id: string, name: string, createdAt: string) => {
    const copy = join(home, 'runs', id);
    await mkdir(join(copy, 'checkpoints'), { recursive: true });
    await Promise.all([
      writeFile(
        join(copy, 'state.json'),
        JSON.stringify({ ...stored, summary: { ...stored.summary, id, name, createdAt } }),
      ),
      writeFile(join(copy, 'config.yaml'), config),
      writeFile(join(copy, 'metrics.jsonl'), spoilt),
      writeFile(join(copy, 'plan.json'), plan),
    ]);
  };
  await write('20270101-000000-markup', markup, '2027-01-01T00:00:03Z');
  await write('20270101-000000-long', long, '2027-01-01T00:00:02Z');
  await write('20270101-000000-rtl', rightToLeft, '2027-01-01T00:00:01Z');
  for (let index = 0; index < 996; index++)
    await write(`20250101-000000-${index}`, `run ${index}`, '2025-01-01T00:00:00Z');
  const manifestPath = join(home, 'datasets/mnist/manifest.json');
  const manifest = JSON.parse(await readFile(manifestPath, 'utf8')) as object;
  const counts = Array.from({ length: 10_000 }, (_, index) => index % 97);
  const classNames = counts.map((_, index) => (index === 0 ? markup : `class ${index}`));
  const samplesPerClass = { train: counts, test: counts };
  await writeFile(manifestPath, JSON.stringify({ ...manifest, classes: 10_000, classNames, samplesPerClass }));
  await mkdir(join(home, 'datasets', longDataset));
  for (const file of await readdir(join(home, 'datasets/mnist'), { recursive: true, withFileTypes: true })) {
    const folder = file.parentPath.replace(join(home, 'datasets/mnist'), join(home, 'datasets', longDataset));
    if (file.isDirectory()) await mkdir(join(folder, file.name));
    else await link(join(file.parentPath, file.name), join(folder, file.name));
  }
  await mkdir(join(home, 'texts'));
  await writeFile(join(home, 'texts', '<b>"story".txt'), `${markup}\n${rightToLeft}\n`.repeat(100));
}
