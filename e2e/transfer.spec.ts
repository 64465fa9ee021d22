// Folders that are dropped on the page, and imports that are called off while they run.

import { cp, link, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import type { Page } from '@playwright/test';
import { expect, filesIn, test } from './lab.ts';

const pictures = join(import.meta.dirname, '../testdata/datasets/jpeg');

let folder: string;
test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-transfer-'));
});
test.afterEach(() => rm(folder, { recursive: true }));

test('a folder that is dropped on the page is sent whole, looked at and imported', async ({ lab }, info) => {
  test.skip(info.project.name === 'electron', 'only Chromium lets a test drop a folder');
  const { page, home } = lab;
  const beasts = join(folder, 'my beasts');
  await cp(pictures, beasts, { recursive: true });
  await dropPath(page, beasts);
  await expect(page).toHaveURL(/#\/data$/);
  const found = page.getByRole('region', { name: 'What was found' });
  await expect(found).toContainText('Recognised as folders of images, one per class');
  await expect(page.getByRole('region', { name: 'Classes' })).toContainText('cat');
  await expect(found.getByLabel('Name')).toHaveValue('my-beasts');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(importsOf(page)).toHaveText('Imported my-beasts');
  expect(await readdir(join(home, 'datasets'))).toEqual(['my-beasts']);
  await expect.poll(() => filesIn(join(home, 'uploads'))).toEqual([]);
});

test('an import that is cancelled leaves nothing, and the same files are imported after', async ({ lab }) => {
  const { page, home } = lab;
  const large = join(folder, 'large');
  await writeLargeImages(large, 400);
  await page.evaluate(() => (location.hash = '#/data'));
  await startImport(page, large);
  await page.getByRole('button', { name: 'Cancel the import of large' }).click();
  await expect(importsOf(page)).toHaveText('Cancelled large');
  expect(await readdir(join(home, 'datasets'))).toEqual([]);
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText('None yet.');

  await startImport(page, large);
  await expect(importsOf(page).first()).toHaveText('Imported large', { timeout: 180_000 });
  await expect(page.getByRole('region', { name: 'Datasets' })).toContainText('360 training and 40 validation samples');
  expect(await readdir(join(home, 'datasets'))).toEqual(['large']);
});

const importsOf = (page: Page) => page.getByRole('region', { name: 'Imports' }).getByRole('status');

async function startImport(page: Page, path: string): Promise<void> {
  await page.getByLabel('Path').fill(path);
  await page.getByRole('button', { name: 'Look inside' }).click();
  const found = page.getByRole('region', { name: 'What was found' });
  await found.getByText('Options', { exact: true }).click();
  await found.getByLabel('Image size').fill('8');
  await page.keyboard.press('Tab');
  await expect(found).toContainText('The model gets 8 x 8');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
}

/** What a browser does when a file or folder of the desktop is dropped. */
async function dropPath(page: Page, path: string): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
  await session.detach();
}

/** Two classes of one grey picture, so large that decoding it takes a while. */
async function writeLargeImages(target: string, count: number): Promise<void> {
  const first = join(target, 'a/0.png');
  for (const name of ['a', 'b']) await mkdir(join(target, name), { recursive: true });
  await writeFile(first, greyPng(6000));
  for (let index = 1; index < count; index++) await link(first, join(target, index % 2 ? 'b' : 'a', `${index}.png`));
}

function greyPng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8;
  const rows = deflateSync(Buffer.alloc(side * (side + 1)));
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', rows), pngChunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}
