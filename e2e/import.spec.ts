// A dataset from files of the user's machine: sent by the page, looked at, mended, imported. And files that are refused, with what to do.

import { cp, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { keyboard, mouse, type Hand } from './hands.ts';
import { expect, test, type LabUnderTest } from './lab.ts';

const pictures = join(import.meta.dirname, '../testdata/datasets/jpeg');

const hands: [string, (page: Page) => Hand][] = [
  ['mouse', mouse],
  ['keyboard', keyboard],
];

for (const [name, handOf] of hands)
  test(`a folder with a broken image is sent, looked at, mended and imported by ${name}`, async ({ lab }) => {
    const folder = await mkdtemp(join(tmpdir(), 'sdp-pictures-'));
    const beasts = join(folder, 'my beasts');
    await cp(pictures, beasts, { recursive: true });
    await truncate(join(beasts, 'cat/11.jpg'), 200);
    await importBeasts(lab, handOf(lab.page), beasts);
    await rm(folder, { recursive: true });
  });

async function importBeasts({ page, home }: LabUnderTest, hand: Hand, beasts: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Data' }).click();
  const chosen = page.waitForEvent('filechooser');
  await hand.choose(page.getByLabel('Choose folder'));
  await (await chosen).setFiles(beasts);

  const found = page.getByRole('region', { name: 'What was found' });
  await expect(found).toContainText('Recognised as folders of images, one per class');
  const problems = found.getByRole('list', { name: 'Problems' });
  await expect(problems).toContainText('Error:');
  await expect(problems).toContainText('cat/11.jpg');
  await expect(problems).not.toContainText(home);
  await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  expect(await readdir(join(home, 'uploads'))).toHaveLength(1);

  await hand.activate(problems.getByRole('button', { name: /Leave .* out/ }));
  await expect(page.getByRole('status').filter({ hasText: 'Ready to import.' })).toBeVisible();
  await expect(found).toContainText('9 training and 3 validation samples');
  await expect(page.getByRole('region', { name: 'As the model will see it' }).getByRole('img')).toHaveCount(11);
  await expect(page.getByRole('region', { name: 'Classes' })).toContainText('cat');
  await hand.activate(found.getByText('Options', { exact: true }));
  await hand.fill(found.getByLabel('Image size'), '8');
  await page.keyboard.press('Tab');
  await expect(found).toContainText('The model gets 8 x 8 colour');
  await hand.fill(found.getByLabel('Name'), 'beasts');
  await hand.activate(page.getByRole('button', { name: 'Import', exact: true }));

  const imports = page.getByRole('region', { name: 'Imports' });
  await expect(imports.getByRole('status')).toHaveText('Imported beasts');
  await hand.activate(imports.getByRole('link', { name: 'beasts' }));
  await expect(page.getByRole('region', { name: 'Samples' }).getByRole('img')).toHaveCount(8);
  await expect.poll(() => left(join(home, 'uploads'))).toEqual([]);
  await page.reload();
  await expect(imports.getByRole('status')).toHaveText('Imported beasts');
}

/** Files in a folder. */
async function left(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test('text is shown as its tokens, a broken file gives its sentence, and what is put away is gone', async ({ lab }) => {
  const { page, home } = lab;
  await drop(page, 'story.txt', 'Once upon a time there was a beast. '.repeat(60));
  const found = page.getByRole('region', { name: 'What was found' });
  await expect(found).toContainText('Tokenizer: bytes, vocabulary of 257');
  const seen = page.getByRole('region', { name: 'As the model will see it' });
  await expect(seen.locator('span').first()).toHaveText('O');
  await found.getByRole('button', { name: 'Train a BPE of 4,096' }).click();
  await expect(found).toContainText('Tokenizer: bpe');
  await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeEnabled();
  await found.getByRole('button', { name: 'Put these files away' }).click();
  await expect(found).toHaveCount(0);
  await expect.poll(() => left(join(home, 'uploads'))).toEqual([]);

  await drop(page, 'digits.zip', 'PK\u0003\u0004 and no more');
  await expect(found.getByRole('list', { name: 'Problems' })).toContainText('digits.zip');
  await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText('None yet.');

  await page.getByLabel('Path').fill('/nowhere/at/all');
  await page.getByRole('button', { name: 'Look inside' }).click();
  await expect(page.getByText('/nowhere/at/all does not exist')).toBeVisible();
});

/** As a file that is dropped on the window. */
async function drop(page: Page, name: string, content: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    ([fileName, text]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text!], fileName!));
      return transfer;
    },
    [name, content],
  );
  await page.dispatchEvent('main', 'drop', { dataTransfer });
}
