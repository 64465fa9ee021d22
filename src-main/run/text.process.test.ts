// Text through the whole app with a tokenizer of its own: import, training, resume, a prompt that is gone on from, and the exported folder.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRunConfig } from '../contract/runConfig.ts';
import { datasetPage } from '../data/gallery.ts';
import { importDataset } from '../data/import.ts';
import { native } from '../native.ts';
import { cpuDevices, nextEvent, openLab } from '../testing/lab.ts';

const rhyme = 'The cat sat on the mat – the naïve cat, fat as a bat.\nThe rat ate the hat and that was that.';
const documents = Array.from({ length: 300 }, () => `${JSON.stringify({ text: rhyme })}\n`).join('');
const call = { signal: AbortSignal.timeout(120_000) };

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sdp-text-'));
  const path = join(home, 'rhymes.jsonl');
  await writeFile(path, documents);
  await importDataset({ paths: [path], name: 'bpe', options: { tokenizer: 'bpe', vocabulary: 280 }, home });
  await importDataset({ paths: [path], name: 'bytes', options: { tokenizer: 'bytes' }, home });
});
afterAll(() => rm(home, { recursive: true, force: true }));

const configOf = (dataset: string, steps: number) =>
  parseRunConfig({
    name: 'rhymes',
    model: { family: 'llama', hidden: 48, ff: 96, layers: 2, heads: 4, kvHeads: 2, seq: 64, vocab: 300 },
    data: { dataset },
    devices: cpuDevices(2),
    subnetworks: { workers: 4, coverage: 3, masking: 'backward' },
    training: { steps, batch: 16, optimizer: 'adamw', learningRate: 0.01 },
    evaluation: { samples: 10 },
  });

const contentOf = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;

it('a model of words goes on from a prompt up to the end of the text, after a resume too', async () => {
  const lab = await openLab(home);
  const { app } = lab;
  const runId = await app.start(configOf('bpe', 300));
  await nextEvent(lab, 'stepsAppended');
  await app.stop(runId);
  await app.resume(runId);
  expect(await app.whenEnded(runId)).toMatchObject({ state: 'done', step: 300 });

  const { openPlayground, tryText, tryTokens } = app.handlers;
  expect(await openPlayground({ runId }, call)).toMatchObject({ kind: 'tokens', text: true, vocabulary: 300 });
  const sampling = { runId, step: 300, temperature: 0, seed: 0 };
  const whole = await tryText({ ...sampling, prompt: 'The cat sat', count: 200 }, call);
  expect(whole).toMatchObject({ text: rhyme.slice('The cat sat'.length), ended: true });
  const part = await tryText({ ...sampling, prompt: 'The cat sat on the mat –', count: 3 }, call);
  expect(part.ended).toBe(false);
  expect(part.text).toMatch(/^ the na?/);
  expect((await tryTokens({ ...sampling, tokens: [40], count: 5 }, call)).tokens).toHaveLength(5);
  const beyond = tryTokens({ ...sampling, tokens: [300], count: 1 }, call);
  await expect(beyond).rejects.toThrow('token 300 is not in the vocabulary of 300');
  await lab.close();
});

it.each([
  ['bpe', 0, false],
  ['bytes', 256, true],
])(
  'a folder for Hugging Face has the tokenizer of %s, with the very tokens of the dataset',
  async (name, end, splits) => {
    const { app, close } = await openLab(home);
    const runId = await app.start(configOf(name, 2));
    expect(await app.whenEnded(runId)).toMatchObject({ state: 'done' });
    const { files } = await app.export(runId, 'safetensors', { out: join(home, `exported-${name}`) });
    const names = files.map((path) => basename(path));
    expect(names).toEqual(['model.safetensors', 'config.json', 'tokenizer.json', 'tokenizer_config.json']);
    expect(await contentOf(files[1]!)).toMatchObject({ eos_token_id: end });
    expect(await contentOf(files[3]!)).toMatchObject({ eos_token: '<|endoftext|>', split_special_tokens: splits });

    const exported = await native().openTokenizer(await readFile(files[2]!, 'utf8'));
    const document = [...exported.encode(rhyme), end];
    const page = await datasetPage(home, { name, split: 'train', from: 0, count: 2 * document.length });
    const { tokens } = page as Extract<typeof page, { kind: 'tokens' }>;
    expect(tokens.map(({ id }) => id)).toEqual([...document, ...document]);
    expect(tokens.map(({ text }) => text).join('')).toContain('The cat sat on the mat');
    expect(exported.decode(document.slice(0, -1))).toBe(rhyme);
    await close();
  },
);

it('where the dataset is another one by now, prompts are numbers and no tokenizer is exported', async () => {
  const { app, close } = await openLab(home);
  const runId = await app.start(configOf('bpe', 2));
  await app.whenEnded(runId);
  await rm(join(home, 'datasets/bpe'), { recursive: true });
  await importDataset({ paths: [join(home, 'rhymes.jsonl')], name: 'bpe', home });
  const { openPlayground, tryText } = app.handlers;
  expect(await openPlayground({ runId }, call)).toMatchObject({ text: false });
  const text = tryText({ runId, step: 2, prompt: 'The', count: 1, temperature: 0, seed: 0 }, call);
  await expect(text).rejects.toThrow('the model of this run does not take text');
  const { files } = await app.export(runId, 'safetensors', { out: join(home, 'exported') });
  expect(files.map((path) => basename(path))).toEqual(['model.safetensors', 'config.json']);
  await close();
});
