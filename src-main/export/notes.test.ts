import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ExportNotes } from '../contract/exportMessages.ts';
import { noteTexts, writeImageFiles } from './notes.ts';

const common = { version: '1', described: 'a model', dataset: 'things', step: 7 };
const images = { classNames: ['a\nb', 'c'], mean: [0.1, 0.2, 0.3], std: [1, 2, 3], size: [4, 5], shorterSide: null };
const ofImages: ExportNotes = { ...common, family: 'vit', images };

it('says what a model of images takes and gives', () => {
  expect(noteTexts({ ...ofImages, license: 'mit' })).toEqual({
    family: 'vit',
    step: '7',
    dataset: 'things',
    license: 'mit',
    class_names: '["a\\nb","c"]',
    mean: '[0.1,0.2,0.3]',
    std: '[1,2,3]',
    value_range: '[0,1]',
    color_order: 'RGB',
    layout: 'NCHW',
    image_size: '[4,5]',
  });
  expect(noteTexts(ofImages, true)).toMatchObject({ value_range: '[0,255]', layout: 'NHWC' });
});

it('says what a language model reads, and nothing that is not known', () => {
  const tokens = { tokenizer: 'bytes', sequence: 64, end: { token: 256, text: '<end>' } };
  const ofTokens: ExportNotes = { ...common, family: 'llama', tokens };
  const shared = { family: 'llama', step: '7', dataset: 'things' };
  expect(noteTexts(ofTokens)).toEqual({
    ...shared,
    tokenizer: 'bytes',
    max_sequence: '64',
    eos_token_id: '256',
    eos_token: '<end>',
  });
  expect(noteTexts({ ...ofTokens, tokens: { sequence: 64 } })).toEqual({ ...shared, max_sequence: '64' });
});

it('writes a class name a line, and how to make images into input unless the model does', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sdp-notes-'));
  try {
    const files = await writeImageFiles(folder, ofImages);
    expect(files).toEqual([join(folder, 'labels.txt'), join(folder, 'preprocessor_config.json')]);
    expect(await readFile(files[0]!, 'utf8')).toBe('a b\nc\n');
    expect(JSON.parse(await readFile(files[1]!, 'utf8'))).toMatchObject({
      size: { height: 4, width: 5 },
      image_mean: images.mean,
      image_std: images.std,
      rescale_factor: 1 / 255,
    });
    expect(await writeImageFiles(folder, ofImages, true)).toEqual([join(folder, 'labels.txt')]);
    const bordered = { ...ofImages, images: { ...images, shorterSide: undefined } };
    expect(await writeImageFiles(folder, bordered)).toEqual([join(folder, 'labels.txt')]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
