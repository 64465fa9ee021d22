// Exports for other programs of real, tiny runs: each is read back by the app itself, and here by what its format says. What those programs
// make of them is in bench/image_check.py and bench/ggufCheck.ts.

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRunConfig } from '../contract/runConfig.ts';
import { importDataset } from '../data/import.ts';
import { readGguf } from '../export/gguf.ts';
import { readSafetensors } from '../export/safetensors.ts';
import { importDigits, openLab, type TestLab } from '../testing/lab.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';

let home: string;
let lab: TestLab;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'sdp-exports-'));
  await importDigits(home, 'digits');
  await importDigits(home, 'stretched', { resize: 'stretch' });
  await importDigits(home, 'bordered', { resize: 'pad' });
  const rhymes = join(home, 'rhymes.txt');
  await writeFile(rhymes, 'The cat sat on the mat – the naïve cat, fat as a bat.\n'.repeat(200));
  await importDataset({ paths: [rhymes], name: 'bpe', options: { tokenizer: 'bpe', vocabulary: 270 }, home });
  await importDataset({ paths: [rhymes], name: 'bytes', options: { tokenizer: 'bytes' }, home });
  const tokens = join(home, 'tokens.bin');
  await writeFile(tokens, new Uint8Array(Uint16Array.from({ length: 2000 }, (_, at) => at % 50).buffer));
  await importDataset({ paths: [tokens], name: 'tokens', home });
  lab = await openLab(home);
});
afterAll(async () => {
  await lab.close();
  await rm(home, { recursive: true, force: true });
});

async function trained(dataset: string, model: object): Promise<string> {
  const config = parseRunConfig({
    name: 'small',
    model,
    data: { dataset },
    devices: ['cpu:0'],
    subnetworks: { workers: 2, coverage: 1, masking: 'backward' },
    training: { steps: 3, batch: 4, learningRate: 0.01 },
    evaluation: { samples: 10, statisticsBatches: 1 },
  });
  const runId = await lab.app.start(config);
  expect(await lab.app.whenEnded(runId)).toMatchObject({ state: 'done' });
  return runId;
}

const llama = { family: 'llama', hidden: 32, ff: 64, layers: 2, heads: 2, kvHeads: 1, seq: 16 };
const json = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;

describe('GGUF', () => {
  it('has the tensors in the type that was asked for, and the tokenizer', async () => {
    const runId = await trained('bpe', { ...llama, vocab: 280 });
    for (const [type, error] of [
      ['float32', 1e-4],
      ['float16', 1e-2],
      ['q8_0', 1e-1],
    ] as const) {
      const out = join(home, type);
      const { files, check, ...result } = await lab.app.export(runId, 'gguf', { out, type });
      expect([files, result.type]).toEqual([[join(out, 'model.gguf')], type]);
      expect(check.maxRelativeError).toBeLessThan(error);
      const { entries, tensors } = await readGguf(files[0]!);
      expect(tensors.length).toBe(3 + 2 * 9);
      for (const tensor of tensors) expect(tensor.type).toBe(tensor.shape.length === 1 ? 'float32' : type);
      expect(tensors.find(({ name }) => name === 'blk.1.attn_k.weight')!.shape).toEqual([16, 32]);
      expect(entries.get('llama.vocab_size')).toEqual({ uint32: 280 });
      expect(entries.get('tokenizer.ggml.pre')).toEqual({ string: 'gpt-2' });
      expect((entries.get('tokenizer.ggml.tokens') as { strings: string[] }).strings.length).toBe(280);
    }
  });

  it('of a model whose head is its embedding has no tensor for it', async () => {
    const runId = await trained('bytes', { ...llama, tied: true });
    const { files } = await lab.app.export(runId, 'gguf', {});
    expect((await readGguf(files[0]!)).tensors.map(({ name }) => name)).not.toContain('output.weight');
  });

  it('of what it cannot express is refused, and nothing is written', async () => {
    const out = join(home, 'refused');
    const numbers = await trained('tokens', llama);
    await expect(lab.app.export(numbers, 'gguf', { out })).rejects.toThrow(
      'a GGUF file holds a tokenizer, and the dataset of this run has none; export safetensors',
    );
    const odd = await trained('bytes', { ...llama, hidden: 24 });
    await expect(lab.app.export(odd, 'gguf', { out, type: 'q8_0' })).rejects.toThrow(
      'q8_0 stores 32 values of a row together, and token_embd.weight has rows of 24; export float16',
    );
    await expect(lab.app.export(odd, 'timm', { out })).rejects.toThrow(
      'a model of the family llama is exported as safetensors, onnx, gguf, got timm',
    );
    await expect(lab.app.export(odd, 'onnx', { out, type: 'q8_0' })).rejects.toThrow(
      'weights of the format onnx are stored as float32, float16, int8, got q8_0',
    );
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  });
});

const resnet = { family: 'resnet', layers: [1, 1], width: 8 };
const swin = { family: 'swin', patch: 2, window: 7, embed: 8, depths: [2, 2], heads: [1, 2], mlpRatio: 2 };
const vit = { family: 'vit', patch: 7, hidden: 16, mlp: 40, layers: 2, heads: 2 };

describe('ONNX in other types', () => {
  it.each([
    ['digits', resnet, { withPreprocessing: true }],
    ['digits', swin, {}],
    ['digits', vit, {}],
    ['bpe', { ...llama, vocab: 280 }, {}],
    ['bytes', { ...llama, tied: true }, { withPast: true }],
  ])('agrees with the engine, beside that of float32: %s %o', async (dataset, model, choices) => {
    const runId = await trained(dataset, model);
    const plain = await lab.app.export(runId, 'onnx', choices);
    for (const [type, error] of [
      ['float16', 1e-2],
      ['int8', 1e-1],
    ] as const) {
      const { files, check, ...result } = await lab.app.export(runId, 'onnx', { ...choices, type });
      expect(result.type).toBe(type);
      expect(files[0]).toBe(join(dirname(plain.files[0]!), `onnx-${type}`, 'model.onnx'));
      expect(check.maxRelativeError).toBeLessThan(error);
      expect((await stat(files[0]!)).size).toBeLessThan((await stat(plain.files[0]!)).size);
    }
  });
});

describe('a folder for another library', () => {
  it.each([
    ['resnet', { family: 'resnet', layers: [1, 1], width: 8, stem: 'imagenet' }],
    ['swin', swin],
    ['vit', vit],
  ])('of Hugging Face has what from_pretrained reads: %s', async (type, model) => {
    const runId = await trained('digits', model);
    const { files, check } = await lab.app.export(runId, 'huggingface', {});
    expect(files.map((path) => basename(path))).toEqual([
      'model.safetensors',
      'config.json',
      'preprocessor_config.json',
    ]);
    expect(check.maxRelativeError).toBeLessThan(1e-4);
    expect(await json(files[1]!)).toMatchObject({ model_type: type, num_channels: 1, id2label: { 0: '0', 9: '9' } });
    const processor = await json(files[2]!);
    expect(processor).toMatchObject({ size: { shortest_edge: 28 }, crop_size: { height: 28 }, do_convert_rgb: false });
    expect((processor.image_mean as number[])[0]).toBeCloseTo(0.13, 1);
    const { tensors, metadata } = await readSafetensors(files[0]!);
    expect(metadata.format).toBe('pt');
    expect([...tensors.keys()].some((name) => name.startsWith(`${type}.`))).toBe(true);
    const query = [...tensors].find(([name]) => name.endsWith('.query.weight'));
    if (query) expect(query[1].shape[0]).toBe(query[1].shape[1]);
  });

  it('of timm has what create_model reads, beside an earlier export and not in its place', async () => {
    const runId = await trained('digits', vit);
    const { files: own } = await lab.app.export(runId, 'safetensors', {});
    const before = await readFile(own[0]!);
    const { files } = await lab.app.export(runId, 'timm', {});
    expect(files.map((path) => basename(path))).toEqual(['model.safetensors', 'config.json']);
    expect(await json(files[1]!)).toMatchObject({
      architecture: 'vit_base_patch16_224',
      num_classes: 10,
      label_names: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
      model_args: { img_size: [28, 28], patch_size: 7, depth: 2, in_chans: 1 },
      pretrained_cfg: { input_size: [1, 28, 28] },
    });
    const { tensors } = await readSafetensors(files[0]!);
    expect(tensors.get('blocks.1.attn.qkv.weight')!.shape).toEqual([48, 16]);
    expect((await readFile(own[0]!)).equals(before)).toBe(true);
  });

  it.each([
    ['digits', { size: { shortest_edge: 28 }, do_center_crop: true, crop_size: { height: 28, width: 28 } }],
    ['stretched', { size: { height: 28, width: 28 } }],
    ['bordered', null],
  ])('and weights and ONNX say the same of images, as the import has them: %s', async (dataset, expected) => {
    const runId = await trained(dataset, vit);
    const found = [];
    for (const format of ['huggingface', 'safetensors', 'onnx'] as const) {
      const { files } = await lab.app.export(runId, format, { out: join(home, dataset, format) });
      const path = files.find((file) => basename(file) === 'preprocessor_config.json');
      found.push(path ? await json(path) : null);
    }
    expect(found[0]).toEqual(expected && expect.objectContaining(expected));
    expect(found.slice(1)).toEqual([found[0], found[0]]);
  });

  it('that library has no such network for is refused, and nothing is written', async () => {
    const runId = await trained('digits', resnet);
    const out = join(home, 'none');
    for (const format of ['timm', 'huggingface'] as const)
      await expect(lab.app.export(runId, format, { out })).rejects.toThrow('has no such network');
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  });
});

it.each([
  ['bytes', llama, 'gguf', 'q8_0', 'model.gguf', 40],
  ['bytes', llama, 'onnx', 'float16', 'model.onnx', 40],
  ['bytes', llama, 'onnx', 'int8', 'model.onnx', 40],
  ['digits', vit, 'huggingface', 'float32', 'model.safetensors', 4],
] as const)(
  'a full disk is told in one sentence, and leaves nothing: %s %o as %s, %s',
  async (dataset, model, format, type, last, least) => {
    const runId = await trained(dataset, model);
    const refused: string[] = [];
    // Larger and larger, until it has room.
    for (let pages: number = least; ; pages = Math.ceil(pages * 1.2)) {
      let isWritten = false;
      const done = await withSmallDisk(`size=${pages * 4096}`, async (disk) => {
        const result = await lab.app.export(runId, format, { out: disk, type }).catch((error: Error) => error);
        isWritten = !(result instanceof Error);
        if (!(result instanceof Error)) return;
        expect(result).toMatchObject({ code: 'storage' });
        const sentence =
          /^(?:no space is left on the disk while )?writing (.*?)(?: failed because the disk is full|; free some and try again)$/;
        refused.push(sentence.exec(result.message)?.[1]?.replace(disk, '') ?? result.message);
        expect(await readdir(disk)).toEqual([]);
      });
      if (!done) return console.log('skipped: no file system can be mounted here');
      if (isWritten) break;
    }
    expect(refused).toContain(`/${last}`);
    expect(refused.filter((path) => !/^\/[\w.]+$/.test(path))).toEqual([]);
  },
  60_000,
);

it('an export that cannot be written leaves nothing', async () => {
  const runId = await trained('bytes', llama);
  const out = join(home, 'taken');
  await mkdir(join(out, 'model.gguf'), { recursive: true });
  await expect(lab.app.export(runId, 'gguf', { out })).rejects.toMatchObject({ code: 'storage' });
  expect(await readdir(out)).toEqual(['model.gguf']);
});
