// A dataset from files of the user's machine: sent by the page, looked at, mended, imported. And files that are refused, with what to do.

import { cp, mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { keyboard, mouse, type Hand } from './hands.ts';
import { expect, filesIn, test, type LabUnderTest } from './lab.ts';

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
  await hand.browse(page.getByLabel('Choose folder'));
  await (await chosen).setFiles(beasts);

  const found = page.getByRole('region', { name: 'What was found' });
  await expect(found).toContainText('Recognised as folders of images, one per class');
  const problems = found.getByRole('list', { name: 'Problems' });
  await expect(problems).toContainText('Error:');
  await expect(problems).toContainText('cat/11.jpg');
  await expect(problems).not.toContainText(home);
  await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  expect(await readdir(join(home, 'uploads'))).toHaveLength(1);

  await expect(found).toContainText('Of 12 images that were looked at, 1 cannot be read and are not counted');
  await hand.activate(problems.getByRole('button', { name: /Leave .* out/ }));
  await expect(page.getByRole('status').filter({ hasText: 'Ready to import.' })).toBeVisible();
  await expect(found).toContainText('8 training and 3 validation samples');
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
  await expect.poll(() => filesIn(join(home, 'uploads'))).toEqual([]);
  await expect(page.getByText('my beasts (sent by a page)')).toBeVisible();
  await page.reload();
  await expect(imports.getByRole('status')).toHaveText('Imported beasts');
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
  await found.getByRole('button', { name: 'Discard these files' }).click();
  await expect(found).toHaveCount(0);
  await expect.poll(() => filesIn(join(home, 'uploads'))).toEqual([]);

  await drop(page, 'digits.zip', 'PK\u0003\u0004 and no more');
  await expect(found.getByRole('list', { name: 'Problems' })).toContainText('digits.zip');
  await expect(page.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText('None yet.');

  await page.getByLabel('Path').fill('/nowhere/at/all');
  await page.getByRole('button', { name: 'Look inside' }).click();
  await expect(page.getByText('/nowhere/at/all does not exist')).toBeVisible();
});

test('files on their way are seen and can be called back', async ({ lab }) => {
  const { page } = lab;
  await page.route('**/upload/**', (route) => (route.request().method() === 'PUT' ? undefined : route.continue()));
  await drop(page, 'story.txt', 'Once upon a time');
  const importing = page.getByRole('region', { name: 'Import', exact: true });
  await expect(importing).toContainText('Sent 0 of 1 files');
  await importing.getByRole('button', { name: 'Cancel' }).click();
  await expect(importing.getByRole('meter')).toHaveCount(0);
  await expect(importing.getByRole('status')).toBeEmpty();
  await expect(page.getByRole('region', { name: 'What was found' })).toHaveCount(0);
});

test('hostile names are shown as text, and 10,000 classes break nothing', async ({ lab }) => {
  const { page } = lab;
  const folder = await mkdtemp(join(tmpdir(), 'sdp-hostile-'));
  const names = ['<img src=x onerror=document.title=1>', 'تدريب \u202e‮ הרצה', 'long'.repeat(50)];
  for (const name of names) {
    await mkdir(join(folder, 'pictures', name), { recursive: true });
    for (const place of ['ant/00.jpg', 'ant/03.jpg'])
      await cp(join(pictures, place), join(folder, 'pictures', name, `${place.slice(4, 6)} “%?#&.jpg`));
  }
  await page.evaluate(() => (location.hash = '#/data'));
  const chosen = page.waitForEvent('filechooser');
  await page.getByText('Choose folder').click();
  await (await chosen).setFiles(join(folder, 'pictures'));
  const classes = page.getByRole('region', { name: 'Classes' });
  for (const name of names) await expect(classes).toContainText(name);
  await checkSides(page);
  expect(await page.title()).not.toBe('1');

  await mkdir(join(folder, 'many'));
  const count = 10_000;
  const labels = BigInt64Array.from({ length: count }, (_, label) => BigInt(label));
  await writeFile(join(folder, 'many/train_images.npy'), npy('|u1', `${count}, 2, 2`, Buffer.alloc(4 * count)));
  await writeFile(join(folder, 'many/train_labels.npy'), npy('<i8', `${count},`, Buffer.from(labels.buffer)));
  await page.getByLabel('Path').fill(join(folder, 'many'));
  await page.getByRole('button', { name: 'Look inside' }).click();
  await expect(page.getByRole('region', { name: 'What was found' })).toContainText('10,000 classes');
  await expect(classes.getByRole('img')).toBeVisible();
  await checkSides(page);
  await rm(folder, { recursive: true });
});

async function checkSides(page: Page): Promise<void> {
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wider).toBeLessThanOrEqual(0);
}

function npy(descr: string, shape: string, data: Buffer): Buffer {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117) + '\n';
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([118, 0]), Buffer.from(header), data]);
}

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
