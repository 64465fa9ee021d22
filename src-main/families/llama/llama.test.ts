// LLaMA graphs: gradients against finite differences in float64, what masking leaves out, evaluation and inference. The reference cases are
// replayed in replay/replay.process.test.ts.

import { describe, expect, it } from 'vitest';
import { graphFlops } from '../../graph/flops.ts';
import { sizeOf } from '../../graph/graph.ts';
import { toOnnx } from '../../graph/onnx.ts';
import { relativeError } from '../../testing/arrays.ts';
import { slopeError } from '../../testing/finiteDifferences.ts';
import { interpret } from '../../testing/interpreter.ts';
import { randomSource, randomTensor } from '../../testing/random.ts';
import { runOnnx, type TestTensor } from '../../testing/runOnnx.ts';
import type { Held, ModelDefinition, ModelGraph, TrainingOptions } from '../../models/model.ts';
import type { LlamaSpec } from './config.ts';
import { createLlama } from './model.ts';

const small: LlamaSpec = {
  vocab: 7,
  hidden: 8,
  ff: 6,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  seq: 5,
  tied: false,
};

/** Random weights and tokens; masked evaluation labels are the tests' own. */
function randomFeeds(built: ModelGraph, { vocab }: LlamaSpec): Map<string, TestTensor> {
  const random = randomSource(17);
  return new Map(
    built.graph.inputs.map(({ name, shape, dtype }) => {
      if (dtype !== 'int64') return [name, randomTensor(random, shape)];
      return [name, { shape, data: Array.from({ length: sizeOf(shape) }, () => Math.floor(random() * vocab)) }];
    }),
  );
}

const everything = (model: ModelDefinition): Held => ({ blocks: model.blocks, neurons: {} });

const part: Held = {
  blocks: ['model.layers.0', 'model.layers.1'],
  neurons: {
    'model.layers.0/heads': [],
    'model.layers.0/mlp': [0, 2, 3],
    'model.layers.1/heads': [1],
    'model.layers.1/mlp': [],
  },
};

function training(spec: LlamaSpec, options: Partial<TrainingOptions>): ModelGraph {
  const model = createLlama(spec);
  return model.training({ batch: 2, granularity: 'block', masking: 'forward', held: everything(model), ...options });
}

describe('training', () => {
  it.each<[string, Partial<LlamaSpec>, Partial<TrainingOptions>]>([
    ['grouped queries', {}, {}],
    ['a tied head, one key-value head', { tied: true, kvHeads: 1 }, {}],
    ['a head per key-value head, several chunks', { hidden: 4, heads: 2, seq: 257, layers: 1 }, { batch: 1 }],
    ['one block held', {}, { held: { blocks: ['model.layers.1'], neurons: {} } }],
    ['no block held', {}, { held: { blocks: [], neurons: {} } }],
    ['groups of which nothing is held', {}, { granularity: 'neuron', held: part }],
    ['hidden units as rows', {}, { granularity: 'neuron', masking: 'backward' }],
  ])('gives gradients that match finite differences and ONNX Runtime: %s', async (_, changes, options) => {
    const spec = { ...small, ...changes };
    const built = training(spec, options);
    const feeds = randomFeeds(built, spec);
    expect(slopeError(built.graph, feeds, randomSource(3))).toBeLessThan(1e-5);
    const expected = interpret(built.graph, feeds);
    for (const [name, value] of await runOnnx(built.graph, feeds)) {
      expect(relativeError(value.data, expected.get(name)!.data), name).toBeLessThan(1e-4);
    }
  });

  it('reads and gives rows of held units only under forward masking', () => {
    const built = training(small, { granularity: 'neuron', held: part });
    const ports = new Map([...built.inputs, ...built.outputs].map((port) => [port.port, port]));
    const at = (layer: string) => ports.get(`model.layers.${layer}.weight`);
    expect(at('0.self_attn.q_proj')).toBeUndefined();
    expect(at('1.self_attn.q_proj')).toMatchObject({ rows: [4, 5, 6, 7], shape: [4, 8] });
    expect(at('1.self_attn.k_proj')).toMatchObject({ rows: [2, 3], shape: [2, 8] });
    expect(at('1.self_attn.o_proj')).toMatchObject({ rows: [4, 5, 6, 7], shape: [4, 8] });
    expect(at('0.mlp.down_proj')).toMatchObject({ rows: [0, 2, 3], shape: [3, 8] });
    expect(ports.get('grad/model.layers.0.input_layernorm.weight')).toMatchObject({ rows: null, shape: [8] });
    expect(ports.get('grad/model.layers.0.mlp.gate_proj.weight')).toMatchObject({ rows: [0, 2, 3], shape: [3, 8] });
  });

  it('gives the held rows of the whole gradient under backward masking, and computes no others', async () => {
    const [whole, held] = [{ blocks: part.blocks, neurons: {} }, part].map((of) =>
      training(small, { granularity: 'neuron', masking: 'backward', held: of }),
    ) as [ModelGraph, ModelGraph];
    const feeds = randomFeeds(whole, small);
    const [all, some] = [await runOnnx(whole.graph, feeds), await runOnnx(held.graph, feeds)];
    for (const { port, rows } of held.outputs) {
      const { shape, data } = all.get(port)!;
      const width = data.length / shape[0]!;
      const expected = Array.from(data).filter((_, i) => !rows || rows.includes(Math.floor(i / width)));
      expect(relativeError(some.get(port)!.data, expected), port).toBeLessThan(1e-5);
    }
    expect(held.outputs.map(({ tensor }) => tensor)).not.toContain('model.layers.0.self_attn.v_proj.weight');
    const gradientFlops = (of: Held) =>
      graphFlops(training(small, { granularity: 'neuron', masking: 'backward', held: of }).graph);
    // Two multiply-adds per token for each of 8 x 8 scalars of heads and 3 x 8 of a hidden unit.
    const tokens = 2 * small.seq;
    const absent = tokens * 2 * ((2 + 1) * (8 * 8 + 2 * 4 * 8 + 8 * 8) * 0.5 + (3 + 6) * 3 * 8);
    expect(gradientFlops({ blocks: part.blocks, neurons: {} }) - gradientFlops(part)).toBe(absent);
  });
});

describe('evaluation and inference', () => {
  const model = createLlama(small);
  const full = { batch: 2, granularity: 'neuron', branchScale: 1 } as const;

  it('gives a loss and a row of logits per token, and no loss where the label is negative', async () => {
    const built = model.evaluation(full);
    const feeds = randomFeeds(built, small);
    feeds.set('label', { shape: [2, 5], data: [1, 2, 3, 4, 5, -1, -1, -1, -1, -1] });
    const results = await runOnnx(built.graph, feeds);
    expect([results.get('loss')!.shape, results.get('logits')!.shape]).toEqual([[10], [10, 7]]);
    const losses = Array.from(results.get('loss')!.data);
    expect(losses.slice(5)).toEqual([0, 0, 0, 0, 0]);
    expect(Math.min(...losses.slice(0, 5))).toBeGreaterThan(0);
  });

  it('scales residual branches as scaling their last weights does', async () => {
    const built = model.evaluation({ ...full, branchScale: 0.5 });
    const feeds = randomFeeds(built, small);
    const scaled = new Map(feeds);
    for (const name of model.branchOutputs) {
      const { shape, data } = feeds.get(name)!;
      scaled.set(name, { shape, data: Array.from(data, (x) => x / 2) });
    }
    const [found, expected] = [await runOnnx(built.graph, feeds), await runOnnx(model.evaluation(full).graph, scaled)];
    expect(relativeError(found.get('logits')!.data, expected.get('logits')!.data)).toBeLessThan(1e-5);
  });

  it('infers what it evaluates, in standard operators', async () => {
    const evaluation = model.evaluation({ ...full, batch: 1, granularity: 'block' });
    const feeds = randomFeeds(evaluation, small);
    const inference = model.inference().graph;
    const [inferred, evaluated] = [await runOnnx(inference, feeds), await runOnnx(evaluation.graph, feeds)];
    expect(inferred.get('logits')!.shape).toEqual([1, 5, 7]);
    expect(relativeError(inferred.get('logits')!.data, evaluated.get('logits')!.data)).toBeLessThan(1e-5);
    expect(inference.nodes.filter(({ op }) => op.domain !== undefined || op.type.startsWith('Simplified'))).toEqual([]);
    expect(toOnnx(inference).length).toBeGreaterThan(0);
  });
});

describe('tensors', () => {
  const preset = { vocab: 32000, hidden: 768, ff: 2048, layers: 12, heads: 12, kvHeads: 12, seq: 256, tied: false };
  const scalars = (spec: LlamaSpec) => createLlama(spec).tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

  it('are those of LlamaForCausalLM, with its initialisation', () => {
    expect([scalars(preset), scalars({ ...preset, tied: true })]).toEqual([134105856, 109529856]);
    const { tensors } = createLlama({ ...preset, kvHeads: 4 });
    expect(tensors.find(({ name }) => name === 'model.layers.3.self_attn.k_proj.weight')).toEqual({
      name: 'model.layers.3.self_attn.k_proj.weight',
      kind: 'parameter',
      shape: [256, 768],
      init: { kind: 'normal', std: 0.02 },
      block: 'model.layers.3',
      neurons: { group: 'model.layers.3/heads', axis: 0, span: 64 },
    });
    expect(tensors.filter(({ init }) => init.kind === 'constant').map(({ init }) => init.kind)).toHaveLength(25);
  });
});
