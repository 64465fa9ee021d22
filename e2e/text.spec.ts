// A language model by the window: text with a tokenizer of its own, trained for some steps, and gone on from a prompt in words.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from './lab.ts';

const config = `name: storyteller
model: { family: llama, hidden: 32, ff: 64, layers: 2, heads: 4, kvHeads: 2, seq: 32 }
data: { dataset: story }
subnetworks: { workers: 2, coverage: 1 }
training: { steps: 30, batch: 8, optimizer: adamw, learningRate: 0.01 }
evaluation: { samples: 8 }
`;

test('text is imported with a tokenizer trained on it, and a prompt goes on as text', async ({ lab }) => {
  const { page } = lab;
  const path = join(lab.home, 'story.txt');
  await writeFile(path, 'Once upon a time there was a beast. It had a tail, and the tail was long.\n'.repeat(400));
  await page.evaluate(() => (location.hash = '#/data'));
  await page.getByLabel('Path').fill(path);
  await page.getByRole('button', { name: 'Look inside' }).click();
  const found = page.getByRole('region', { name: 'What was found' });
  await found.getByRole('button', { name: 'Train a BPE of 4,096' }).click();
  await expect(found).toContainText('Tokenizer: bpe');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Imports' }).getByRole('status')).toHaveText('Imported story');

  await page.evaluate(() => (location.hash = '#/plan'));
  await page.getByRole('button', { name: 'Edit as YAML' }).click();
  await page.getByLabel('Configuration as YAML').fill(config);
  await page.getByRole('button', { name: 'Start run' }).click();
  await expect(page.getByLabel('State of the run')).toContainText('Done', { timeout: 180_000 });
  await page.getByRole('link', { name: 'Try' }).first().click();
  const text = page.getByRole('region', { name: 'Text', exact: true });
  await text.getByLabel('Prompt', { exact: true }).fill('Once upon');
  await text.getByLabel('Tokens').fill('12');
  await text.getByRole('button', { name: 'Generate' }).click();
  await expect(text.getByRole('status')).toHaveText(/^Once upon.*[a-z]{2}.*the model sees 32 tokens at once/s, {
    timeout: 60_000,
  });
});
