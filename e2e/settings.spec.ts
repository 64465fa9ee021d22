// The data folder, chosen in the settings: what holds now, what from the next start, and the way back.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { keyboard, mouse } from './hands.ts';
import { expect, test, type LabUnderTest } from './lab.ts';
import { checkLook } from './look.ts';

const panel = (page: Page) => page.getByRole('region', { name: 'Data folder', exact: true });

/** The panel of a page that has just been opened. */
async function settingsOf(lab: LabUnderTest) {
  await expect(lab.page.getByText('Connected')).toBeVisible();
  await lab.page.evaluate(() => (location.hash = '#/settings'));
  await expect(panel(lab.page)).toBeVisible();
  return panel(lab.page);
}

test.describe('without SDP_HOME', () => {
  test.use({ fixedHome: false });

  test('another data folder holds from the next start, and so does the default again', async ({ lab }) => {
    const disk = join(lab.home, 'disk');
    const inside = join(disk, 'sdp-lab');
    await mkdir(disk);
    await writeFile(join(disk, 'letter.txt'), '');
    let settings = await settingsOf(lab);
    const usual = await settings.getByRole('definition').innerText();
    await expect(settings).not.toContainText('From the next start');

    const hand = mouse(lab.page);
    const ask = async (path: string) => {
      await hand.fill(settings.getByLabel('Another folder'), path);
      await hand.activate(settings.getByRole('button', { name: 'Use from the next start' }));
    };
    await ask('lab');
    await expect(settings.getByRole('alert')).toContainText('must be an absolute path, got lab.');
    await ask(disk);
    await expect(settings.getByRole('alert')).toContainText('holds other things');
    await checkLook(lab.page);
    await hand.activate(settings.getByRole('button', { name: 'Use that one' }));
    await expect(settings.getByRole('status')).toContainText('From the next start');
    await expect(settings.getByRole('definition')).toHaveText([usual, inside]);
    await expect(settings.getByRole('alert')).toHaveCount(0);
    await checkLook(lab.page);

    await lab.restart();
    settings = await settingsOf(lab);
    await expect(settings.getByRole('definition')).toHaveText([inside]);
    await keyboard(lab.page).activate(settings.getByRole('button', { name: 'Use the default again' }));
    await expect(settings.getByRole('definition')).toHaveText([inside, usual]);
    await lab.restart();
    settings = await settingsOf(lab);
    await expect(settings.getByRole('definition')).toHaveText([usual]);
    await expect(settings.getByRole('button', { name: 'Use the default again' })).toHaveCount(0);
  });
});

test('with SDP_HOME the page says so, and nothing can be chosen', async ({ lab }) => {
  const settings = await settingsOf(lab);
  await expect(settings).toContainText('The environment variable SDP_HOME says where');
  await expect(settings.getByRole('definition')).toHaveText([lab.home]);
  await expect(settings.getByLabel('Another folder')).toBeDisabled();
  await expect(settings.getByRole('button')).toBeDisabled();
});

test('the settings tell what this machine has and lacks', async ({ lab }) => {
  await settingsOf(lab);
  const machine = lab.page.getByRole('region', { name: 'This machine' });
  await expect(machine.getByRole('listitem').filter({ hasText: 'Data folder' })).toContainText(lab.home);
  await expect(machine.getByRole('listitem').filter({ hasText: 'ONNX Runtime' }).first()).toContainText('Good');
  await checkLook(lab.page);
  await keyboard(lab.page).activate(machine.getByRole('button', { name: 'Look again' }));
  await expect(machine.getByRole('list')).toHaveAttribute('aria-busy', 'false');
  await expect(machine.getByRole('button', { name: 'Look again' })).toBeFocused();
});
