// Exports the network of a reference case after its last step: PyTorch's loss of it in evaluation mode is the measure.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/graph.ts';
import { decodeOnnx } from '../graph/onnx.ts';
import { cumSum } from '../graph/ops/cumSum.ts';
import { cast, equal } from '../graph/ops/elementwise.ts';
import type { ModelDefinition } from '../models/model.ts';
import { readCase } from '../testing/cases.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { runOnnx, type TestTensor } from '../testing/runOnnx.ts';
import { logitsOfDecoding } from './decoding.ts';
import type { Feed } from './feed.ts';
import { inFloat16 } from './float16.ts';
import { exportOnnx } from './onnxExport.ts';
import { pixelsOf } from './pixels.ts';
import { readSafetensors, writeSafetensors, type SafeTensor } from './safetensors.ts';
import { compareLogits, logitsOfOnnx, logitsOfSafetensors, verifyLogits } from './verify.ts';

interface OnnxGraph {
  node: { op_type: string; input: string[]; output: string[] }[];
  initializer: { name: string; raw_data: Uint8Array }[];
}

let folder: string;
let model: ModelDefinition;
let weights: string;
let images: Float32Array;
let shape: readonly number[];
let labels: number[];
let expectedLoss: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-export-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Network and samples of a case. */
async function loadCase(name: string): Promise<void> {
  weights = join(folder, `${name}.safetensors`);
  const reference = await readCase(name);
  model = reference.model;
  expectedLoss = reference.evaluationLoss;
  const final = [...reference.expect].filter(([name]) => name.startsWith('final/'));
  await writeSafetensors(weights, new Map(final.map(([name, tensor]) => [name.slice(6), float32(tensor)])));
  const input = reference.batches.get('step0.worker0.input')!;
  [images, shape] = [Float32Array.from(input.data), input.shape];
  labels = Array.from(reference.batches.get('step0.worker0.label')!.data);
}

function float32({ shape, data }: TestTensor): SafeTensor {
  return { dtype: 'F32', shape: [...shape], data: new Uint8Array(Float32Array.from(data).buffer) };
}

const tokens = (): BigInt64Array => BigInt64Array.from(images, BigInt);

/** Mean cross-entropy. */
function lossOf(logits: Float32Array): number {
  const classes = logits.length / labels.length;
  const losses = labels.map((label, row) => {
    const scores = [...logits.subarray(row * classes, (row + 1) * classes)];
    return Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - scores[label]!;
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

describe.each(['resnet-ddp', 'swin-ddp'])('export of %s', (name) => {
  beforeAll(() => loadCase(name));

  it("gives PyTorch's loss from either file, with the same logits", async () => {
    const out = join(folder, 'model.onnx');
    await exportOnnx({ model, weights, out });
    const ofOnnx = await logitsOfOnnx(out, { data: images, shape });
    const ofSafetensors = await logitsOfSafetensors(model, [weights], { data: images, shape });
    expect(lossOf(ofOnnx)).toBeCloseTo(expectedLoss, 4);
    expect(lossOf(ofSafetensors)).toBeCloseTo(expectedLoss, 4);
    expect(verifyLogits(out, ofOnnx, ofSafetensors)).toBeLessThan(1e-5);
  });

  it('accepts any batch', async () => {
    const out = join(folder, 'batch.onnx');
    await exportOnnx({ model, weights, out });
    const all = await logitsOfOnnx(out, { data: images, shape });
    const sample = images.length / shape[0]!;
    const three = await logitsOfOnnx(out, {
      data: images.subarray(0, 3 * sample),
      shape: [3, ...shape.slice(1)],
    });
    expect(compareLogits(all.subarray(0, three.length), three)).toBeLessThan(1e-5);
  });
});

describe.each(['resnet-ddp', 'swin-ddp', 'llama-ddp'])('%s in other types', (name) => {
  beforeAll(() => loadCase(name));

  it.each([
    // Largest difference, and share of the bytes of weights and constants.
    ['float16', 5e-3, 0.55],
    ['int8', 5e-2, 0.6],
  ] as const)('as %s is smaller and gives nearly the same', async (type, most, share) => {
    const [plain, out] = [join(folder, 'plain.onnx'), join(folder, `${type}.onnx`)];
    await exportOnnx({ model, weights, out: plain });
    expect(await exportOnnx({ model, weights, out, type })).toEqual([out]);
    const feed = { data: model.reads === 'tokens' ? tokens() : images, shape };
    const [expected, found] = [await logitsOfOnnx(plain, feed), await logitsOfOnnx(out, feed)];
    const error = compareLogits(expected, found);
    expect(error).toBeGreaterThan(1e-6);
    expect(error).toBeLessThan(most);
    const stored = async (path: string) => {
      const { graph } = decodeOnnx(await readFile(path)) as unknown as { graph: OnnxGraph };
      return graph.initializer.reduce((sum, { raw_data }) => sum + raw_data.length, 0);
    };
    expect((await stored(out)) / (await stored(plain))).toBeLessThan(share);
  });

  it('has its weights in a file beside where one does not hold them', async () => {
    const out = join(folder, 'large.onnx');
    expect(await exportOnnx({ model, weights, out, limit: 1000 })).toEqual([out, `${out}_data`]);
    const feed = { data: model.reads === 'tokens' ? tokens() : images, shape };
    const [expected, found] = [await logitsOfSafetensors(model, [weights], feed), await logitsOfOnnx(out, feed)];
    expect(compareLogits(expected, found)).toBeLessThan(1e-5);
    expect((await stat(out)).size).toBeLessThan(0.5 * (await stat(`${out}_data`)).size);
  });
});

describe('export of a network of images', () => {
  beforeAll(() => loadCase('swin-ddp'));

  it('has nothing left to compute of weights alone, and products that quantise', async () => {
    const out = join(folder, 'folded.onnx');
    await exportOnnx({ model, weights, out });
    const { graph } = decodeOnnx(await readFile(out)) as unknown as { graph: OnnxGraph };
    const given = new Set(graph.initializer.map(({ name }) => name));
    expect(graph.node.filter(({ input }) => input.every((name) => given.has(name)))).toEqual([]);
    expect(graph.node.filter(({ op_type }) => op_type === 'Gemm')).toEqual([]);
  });

  it('takes pixels where asked', async () => {
    const normalisation = { mean: [0.5, 0.4, 0.3], std: [0.25, 0.3, 0.2] };
    const pixels = Uint8Array.from({ length: images.length }, (_, index) => (index * 37) % 256);
    const [batch, channels, height, width] = shape as [number, number, number, number];
    const places = height * width;
    const data = Float32Array.from(images, (_, index) => {
      const [image, channel] = [Math.floor(index / places / channels), Math.floor(index / places) % channels];
      const pixel = pixels[(image * places + (index % places)) * channels + channel]!;
      return (pixel / 255 - normalisation.mean[channel]!) / normalisation.std[channel]!;
    });
    const out = join(folder, 'pixels.onnx');
    await exportOnnx({ model, weights, out, pixels: normalisation });
    const found = await logitsOfOnnx(out, { data: pixels, shape: [batch, height, width, channels] });
    const expected = await logitsOfSafetensors(model, [weights], { data, shape });
    expect(compareLogits(expected, found)).toBeLessThan(1e-5);
  });

  it('finds the pixels of normalised images of several channels', () => {
    const normalisation = { mean: [0.25, 0.5], std: [0.5, 0.25] };
    const data = Float32Array.from(
      [0, 255, 10, 20].map((pixel, i) => (pixel / 255 - [0.25, 0.5][i >> 1]!) / [0.5, 0.25][i >> 1]!),
    );
    expect(pixelsOf({ data, shape: [1, 2, 1, 2] }, normalisation)).toEqual({
      data: Uint8Array.from([0, 10, 255, 20]),
      shape: [1, 1, 2, 2],
    });
  });
});

describe('export of a language model', () => {
  beforeAll(() => loadCase('llama-ddp'));
  const tokensOf = (batch: number, length: number): Feed => ({
    data: BigInt64Array.from({ length: batch * length }, (_, index) => BigInt((index * 31) % model.classes)),
    shape: [batch, length],
  });

  it('takes any number of tokens, and gives the same for them with a cache', async () => {
    const [plain, cached] = [join(folder, 'plain.onnx'), join(folder, 'cached.onnx')];
    await exportOnnx({ model, weights, out: plain });
    await exportOnnx({ model, weights, out: cached, withPast: true });
    const longest = model.sample[0]!;
    const whole = await logitsOfOnnx(plain, tokensOf(1, longest));
    for (const [batch, length] of [
      [1, longest],
      [3, 5],
      [1, 2],
    ] as const) {
      const tokens = tokensOf(batch, length);
      const expected = await logitsOfOnnx(plain, tokens);
      expect(expected.length).toBe(batch * length * model.classes);
      expect(compareLogits(expected, await logitsOfDecoding(cached, tokens))).toBeLessThan(1e-5);
    }
    // What comes later changes nothing before it.
    const start = await logitsOfOnnx(plain, tokensOf(1, 3));
    expect(compareLogits(whole.subarray(0, start.length), start)).toBeLessThan(1e-5);
  });

  it('has no cast behind a comparison, which onnxconverter-common makes invalid', async () => {
    const out = join(folder, 'plain.onnx');
    await exportOnnx({ model, weights, out });
    const { node } = (decodeOnnx(await readFile(out)) as unknown as { graph: OnnxGraph }).graph;
    const compared = new Set(
      node.filter(({ op_type }) => ['Equal', 'Greater'].includes(op_type)).flatMap(({ output }) => output),
    );
    expect(compared.size).toBeGreaterThan(0);
    expect(node.filter(({ op_type, input }) => op_type === 'Cast' && compared.has(input[0]!))).toEqual([]);
  });

  it('counts more tokens than float16 has integers', async () => {
    const g = new GraphBuilder('counts');
    const input = g.input('input', 'int64', [1, 3000]);
    g.output('logits', cumSum(g, cast(g, equal(g, input, input), 'float32'), 1));
    const { graph } = inFloat16({ graph: g.build(), weights: new Map() });
    const counts = await runOnnx(
      graph,
      new Map([['input', { shape: [1, 3000], data: new Array<number>(3000).fill(7) }]]),
    );
    expect(Array.from(counts.get('logits')!.data).slice(-2)).toEqual([2999, 3000]);
  });
});

describe('export', () => {
  beforeAll(() => loadCase('resnet-ddp'));

  it('is refused with what is wrong where weights do not fit, and leaves nothing behind', async () => {
    const { tensors } = await readSafetensors(weights);
    const out = join(folder, 'none.onnx');
    const attempt = async (changed: Map<string, SafeTensor>) => {
      const path = join(folder, 'changed.safetensors');
      await writeSafetensors(path, changed);
      return await exportOnnx({ model, weights: path, out }).catch((error: Error) =>
        error.message.replace(path, 'FILE'),
      );
    };
    const lacking = new Map([...tensors].filter(([name]) => name !== 'fc.bias'));
    expect(await attempt(lacking)).toBe('FILE has no tensor fc.bias, expected F32 [10]');
    const small: SafeTensor = { dtype: 'F32', shape: [2], data: new Uint8Array(8) };
    expect(await attempt(new Map([...tensors, ['fc.bias', small]]))).toBe(
      'FILE has fc.bias as F32 [2], expected F32 [10]',
    );
    await writeFile(join(folder, 'changed.safetensors'), 'damaged');
    await expect(exportOnnx({ model, weights: join(folder, 'changed.safetensors'), out })).rejects.toMatchObject({
      code: 'checkpoint',
    });
    expect((await readdir(folder)).filter((name) => name.includes('none'))).toEqual([]);
  });
});

it.each([0, 30_000])('a full disk leaves nothing of weights in a file beside: %i bytes of it', async (left) => {
  await loadCase('resnet-ddp');
  const done = await withSmallDisk('size=100k', async (disk) => {
    const rest = join(disk, 'rest');
    await writeFile(rest, new Uint8Array(102_400 - left));
    const out = join(disk, 'model.onnx');
    await expect(exportOnnx({ model, weights, out, limit: 1000 })).rejects.toThrow(
      /^no space is left on the disk while writing .*model\.onnx_data; free some and try again$/,
    );
    expect(await readdir(disk)).toEqual(['rest']);
  });
  if (!done) console.log('skipped: no file system can be mounted here');
});

describe('comparison of logits', () => {
  it('is relative to the largest expected value', () => {
    expect(compareLogits([2, -4], [2, -4])).toBe(0);
    expect(compareLogits([2, -4], [2.5, -4])).toBe(0.125);
    expect(compareLogits([0, 0], [0, 0])).toBe(0);
    expect(compareLogits([0, 0], [0, 1])).toBe(Infinity);
    expect(compareLogits([1, NaN], [1, NaN])).toBe(Infinity);
    expect(() => compareLogits([1], [1, 2])).toThrow('1 logits were expected, 2 found');
  });

  it('fails with the figures', () => {
    expect(() => verifyLogits('m.onnx', [1, 2], [1, 2.1])).toThrow(
      'the exported file m.onnx differs from the trained model: its logits are off by 5.0e-2 of the largest, allowed are 0.0001',
    );
    expect(() => verifyLogits('m.onnx', [NaN], [NaN])).toThrow(
      'the exported file m.onnx is of no use: the logits are not finite',
    );
  });
});
