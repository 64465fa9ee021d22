import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createLlama } from '../families/llama/model.ts';
import { weightFiles, writePretrainedFolder } from './huggingFace.ts';

const spec = { vocab: 16, hidden: 8, ff: 12, layers: 1, heads: 2, kvHeads: 1, seq: 32, tied: false };
const model = createLlama(spec);
const { tensors } = model;

it('weights are one file where they fit, else numbered files none of which is too large', () => {
  expect(weightFiles(tensors)).toEqual([{ name: 'model.safetensors', tensors: tensors.map(({ name }) => name) }]);
  const files = weightFiles(tensors, 1000);
  expect(files.map(({ name }) => name).slice(0, 2)).toEqual([
    'model-00001-of-00004.safetensors',
    'model-00002-of-00004.safetensors',
  ]);
  expect(files.flatMap((file) => file.tensors)).toEqual(tensors.map(({ name }) => name));
  const bytes = (name: string) => tensors.find((one) => one.name === name)!.shape.reduce((a, b) => a * b, 4);
  for (const file of files) expect(file.tensors.reduce((sum, name) => sum + bytes(name), 0)).toBeLessThanOrEqual(1000);
});

it('the folder says what the model is, and where its tensors are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sdp-hf-'));
  const files = weightFiles(tensors, 1000);
  const written = await writePretrainedFolder(folder, model, files, undefined);
  expect(written).toEqual(['config.json', 'model.safetensors.index.json'].map((name) => join(folder, name)));
  const [config, index] = await Promise.all(
    written.map(async (path) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>),
  );
  expect(config).toMatchObject({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 8,
    head_dim: 4,
    num_key_value_heads: 1,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  });
  expect(index!.metadata).toEqual({ total_size: 4 * (2 * 16 * 8 + 2 * 64 + 2 * 32 + 3 * 96 + 3 * 8) });
  expect(Object.keys(index!.weight_map as object)).toEqual(tensors.map(({ name }) => name));
  expect((index!.weight_map as Record<string, string>)['lm_head.weight']).toBe(files.at(-1)!.name);
  await rm(folder, { recursive: true });
});
