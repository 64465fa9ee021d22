// Putting things in order, with the keyboard alone: runs are renamed, one while it trains, and deleted, on their page and from the list; a
// damaged dataset and a damaged run are told of and deleted.

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { keyboard } from './hands.ts';
import { expect, test } from './lab.ts';

test('runs are renamed and deleted', async ({ lab }) => {
  test.setTimeout(10 * 60_000);
  const { page, home } = lab;
  const hand = keyboard(page);
  await startSample(page);
  await expect(button(page, 'Delete…')).toHaveCount(0);
  await rename(page, 'while it trains');
  await stop(page);
  await hand.activate(button(page, 'Rename…'));
  await page.keyboard.type('not this');
  await page.keyboard.press('Escape');
  await expect(heading(page, 'while it trains')).toBeVisible();
  await rename(page, '<b>afterwards</b>');
  await page.reload();
  await expect(heading(page, '<b>afterwards</b>')).toBeVisible();

  await hand.activate(page.getByRole('link', { name: 'Home' }));
  await startSample(page);
  await stop(page);
  await hand.activate(button(page, 'Delete…'));
  await hand.activate(page.getByRole('alertdialog').getByRole('button', { name: 'Keep' }));
  await hand.activate(button(page, 'Delete…'));
  await hand.activate(page.getByRole('alertdialog').getByRole('button', { name: 'Delete run' }));
  const runs = page.getByRole('table', { name: 'Runs' }).getByRole('row');
  await expect(runs).toHaveCount(2);
  expect(await readdir(join(home, 'runs'))).toHaveLength(1);
  await hand.activate(page.getByRole('checkbox', { name: /Select <b>afterwards<\/b> of/ }));
  await hand.activate(button(page, 'Delete 1 run…'));
  await hand.activate(page.getByRole('alertdialog').getByRole('button', { name: 'Delete 1 run' }));
  await expect(page.getByText('No run yet.')).toBeVisible();
  await expect.poll(() => readdir(join(home, 'runs'))).toEqual([]);

  await writeFile(join(home, 'datasets/mnist/manifest.json'), '{');
  await mkdir(join(home, 'runs/broken'));
  await writeFile(join(home, 'runs/broken/state.json'), '{');
  await lab.restart();
  await deleteDamagedRun(lab.page);
  expect(await readdir(join(home, 'runs'))).toEqual([]);
  await deleteDamaged(lab.page);
  expect(await readdir(join(home, 'datasets'))).toEqual([]);
});

async function deleteDamagedRun(page: Page): Promise<void> {
  const hand = keyboard(page);
  const list = page.getByRole('list', { name: 'Damaged runs' });
  await expect(list).toContainText('run broken is damaged: state.json is not JSON');
  await hand.activate(list.getByRole('button', { name: 'Delete…' }));
  await hand.activate(page.getByRole('alertdialog').getByRole('button', { name: 'Delete run' }));
  await expect(page.getByText('No run yet.')).toBeVisible();
}

async function deleteDamaged(page: Page): Promise<void> {
  const hand = keyboard(page);
  await hand.activate(page.getByRole('region', { name: 'Datasets' }).getByRole('link', { name: 'mnist Damaged' }));
  await expect(page.getByRole('alert')).toContainText('dataset mnist is damaged: manifest.json is not JSON');
  await hand.activate(button(page, 'Delete…'));
  await hand.activate(page.getByRole('alertdialog').getByRole('button', { name: 'Delete dataset' }));
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText('None yet.');
}

async function startSample(page: Page): Promise<void> {
  await keyboard(page).activate(button(page, 'Start sample Handwritten digits with ResNet-18'));
  await state(page, 'Training, step');
}

async function stop(page: Page): Promise<void> {
  await keyboard(page).activate(button(page, 'Stop run'));
  await state(page, 'Stopped after step');
}

async function rename(page: Page, name: string): Promise<void> {
  await keyboard(page).activate(button(page, 'Rename…'));
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect(heading(page, name)).toBeVisible();
  await expect(button(page, 'Rename…')).toBeFocused();
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });
const state = (page: Page, words: string) =>
  expect(page.getByLabel('State of the run')).toContainText(words, { timeout: 240_000 });
