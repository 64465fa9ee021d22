// The whole story as a new user would go through it, with the mouse and again with the keyboard alone: the sample planned with another
// coverage, trained, watched, paused, resumed and stopped, compared with data parallelism, tried on a drawing, exported.

import type { Page } from '@playwright/test';
import { keyboard, mouse, type Hand } from './hands.ts';
import { expect, test } from './lab.ts';

for (const [name, handOf] of [
  ['the mouse', mouse],
  ['the keyboard alone', keyboard],
] as const) {
  test(`the story with ${name}`, async ({ lab }) => {
    test.setTimeout(15 * 60_000);
    await story(lab.page, handOf(lab.page));
  });
}

async function story(page: Page, hand: Hand): Promise<void> {
  const button = (label: string | RegExp) =>
    page.getByRole('button', { name: label, exact: typeof label === 'string' });
  const state = (words: string | RegExp) =>
    expect(page.getByLabel('State of the run')).toContainText(words, { timeout: 240_000 });
  const field = (label: string) => page.getByRole('form', { name: 'Configuration' }).getByLabel(label, { exact: true });

  await hand.activate(page.getByRole('link', { name: 'Change and plan Handwritten digits with ResNet-18' }));
  const matrix = page.getByRole('region', { name: 'Mask matrix' });
  await expect(matrix).toContainText('held by 2 of 4 workers', { timeout: 120_000 });
  await hand.slide(field('Coverage, slider'), 2, 4);
  await expect(matrix).toContainText('held by 3 of 4 workers');
  await hand.fill(field('Width'), '4');
  await hand.fill(field('Steps'), '120');
  await hand.activate(page.locator('summary', { hasText: 'Evaluation' }));
  await hand.fill(field('Samples'), '200');
  await expect(page.getByText('Plan of this configuration')).toBeVisible();
  await hand.activate(button('Start run'));

  await state(/Training, step \d/);
  await hand.activate(button('Pause'));
  await state('Paused after step');
  await hand.activate(button('Checkpoint now'));
  await expect(page.getByRole('region', { name: 'Checkpoints and exports' })).toContainText('Checkpoints kept');
  await hand.activate(button('Resume run'));
  await state('Training, step');
  await hand.activate(button('Stop run'));
  await state('Stopped after step');
  await hand.activate(button('Resume run'));
  await state('Done after 120 steps');

  await hand.activate(page.getByRole('link', { name: 'Plan from this' }));
  await hand.slide(field('Coverage, slider'), 3, 4);
  await hand.fill(field('Name'), 'ddp');
  await expect(matrix).toContainText('plain data parallelism (DDP)');
  await expect(page.getByText('Plan of this configuration')).toBeVisible();
  await hand.activate(button('Start run'));
  await state('Done after 120 steps');

  await hand.activate(page.getByRole('link', { name: 'Compare' }).last());
  await hand.select(page.getByRole('combobox', { name: 'Find runs by name' }), 'mnist-resnet18');
  await expect(page.getByRole('region', { name: 'Figures of the runs' }).getByRole('row')).toHaveCount(3);
  await expect(page.getByRole('region', { name: 'Differences of the configurations' })).toContainText(
    'subnetworks.coverage',
  );
  for (const format of ['PNG', 'SVG', 'CSV']) {
    const download = page.waitForEvent('download');
    await hand.choose(button('Save'), format);
    expect((await download).suggestedFilename()).toBe(`comparison.${format.toLowerCase()}`);
  }

  await hand.activate(page.getByRole('region', { name: 'Figures of the runs' }).getByRole('link', { name: 'ddp' }));
  await hand.activate(page.getByRole('link', { name: 'Try the model' }));
  await expect(page.getByRole('application')).toBeVisible({ timeout: 120_000 });
  await hand.draw(page.getByRole('application'));
  await expect(page.getByRole('list', { name: 'Likeliest classes' }).getByRole('listitem')).toHaveCount(10);
  await hand.activate(button('Validation sample'));
  await expect(page.getByText('its label is')).toBeVisible();
  await hand.choose(button('Export'), 'safetensors');
  await expect(page.getByRole('list', { name: 'Exports' })).toContainText('model.safetensors', { timeout: 120_000 });
}
