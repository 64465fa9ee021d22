// Every graph of every family, under every option, as it is lowered for CUDA: each node has a kernel there, and nothing goes through the host.

import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../families/configs.ts';
import { formulationsOf, type FormulatedOperator } from '../graph/lower/formulations.ts';
import { GraphBuilder, type Graph } from '../graph/graph.ts';
import { convTranspose } from '../graph/ops/conv.ts';
import { cast } from '../graph/ops/elementwise.ts';
import { gather } from '../graph/ops/indexing.ts';
import { batchNormTraining } from '../graph/ops/norm.ts';
import { Size } from '../graph/ops/ordering.ts';
import { readCudaKernels, throughHost, withoutKernel } from '../testing/cudaKernels.ts';
import { createModel } from '../families/models.ts';
import type { Granularity, Held, Masking, ModelDefinition, TrainingOptions } from './model.ts';

const resnet = { family: 'resnet', layers: [1, 2], width: 8, channels: 3, classes: 5 } as const;
const swin = { family: 'swin', patch: [2, 2], window: [4, 4], embed: 8, heads: [2, 4], mlpRatio: 2 } as const;
const llama = { family: 'llama', vocab: 7, hidden: 16, ff: 8, layers: 3, heads: 4, seq: 8 } as const;

const specs: [string, ModelSpec][] = [
  ['ResNet for small images', { ...resnet, layers: [1, 2], stem: 'cifar', image: [8, 8] }],
  ['ResNet for large images', { ...resnet, layers: [2, 1], stem: 'imagenet', image: [32, 32] }],
  ['ResNet for images that strides do not divide', { ...resnet, layers: [1, 2], stem: 'imagenet', image: [35, 29] }],
  [
    'Swin',
    { ...swin, patch: [2, 2], window: [4, 4], depths: [2, 1], heads: [2, 4], channels: 3, image: [16, 16], classes: 5 },
  ],
  [
    'Swin of odd extents',
    { ...swin, patch: [4, 4], window: [3, 3], depths: [2, 2], heads: [2, 4], channels: 1, image: [36, 28], classes: 5 },
  ],
  ['LLaMA with tied embedding', { ...llama, kvHeads: 4, tied: true }],
  ['LLaMA with grouped keys and values', { ...llama, kvHeads: 2, tied: false }],
];

/** What a worker may hold: all, a subnetwork of units next to each other, and one of units apart. */
const heldOf = (of: ModelDefinition): Record<string, Held> => {
  const units = (pick: (size: number) => number[]) =>
    Object.fromEntries(of.groups.map(({ id, size }) => [id, pick(size)]));
  const half = (size: number) => Array.from({ length: size / 2 }, (_, i) => i);
  const blocks = of.blocks.filter((_, index) => index !== 1);
  return {
    all: { blocks: of.blocks, neurons: {} },
    'half of the units': { blocks, neurons: units(half) },
    'every other unit': { blocks: of.blocks.slice(0, 1), neurons: units((size) => half(size).map((i) => 2 * i)) },
  };
};

/** Any three options in each combination; language models have no soft labels. */
const knobsOf = ({ family }: ModelSpec) =>
  Array.from({ length: 8 }, (_, i) => {
    const [accumulate, recompute, drops] = [1, 2, 4].map((bit) => (i & bit) !== 0) as [boolean, boolean, boolean];
    const softLabels = family !== 'llama' && (accumulate !== recompute) !== drops;
    return { accumulate, recompute, softLabels, ...(drops && { dropout: 0.1, stochasticDepth: 0.2 }) };
  });

const table = readCudaKernels();
const problemsOf = (graph: Graph, kernels = table) => [...withoutKernel(graph, kernels), ...throughHost(graph)];
const named = (graph: Graph, name: string): Graph => ({ ...graph, name });

describe.each(specs)('%s', (_, spec) => {
  const model = createModel(spec);
  const regimes = (['block', 'neuron'] as const).flatMap((granularity) =>
    (['forward', 'backward'] as const).map((masking): [Granularity, Masking] => [granularity, masking]),
  );

  it.each(regimes)('trains on CUDA, %s-%s', (granularity, masking) => {
    const problems = Object.entries(heldOf(model)).flatMap(([what, held]) => {
      const knobs = knobsOf(spec).filter((_, i, all) => what === 'all' || i === 0 || i === all.length - 1);
      return knobs.flatMap((knob) => {
        const options: TrainingOptions = { batch: 4, granularity, masking, held, provider: 'cuda', ...knob };
        return problemsOf(named(model.training(options).graph, `training of ${what} ${JSON.stringify(knob)}`));
      });
    });
    expect(problems).toEqual([]);
  });

  it.each(['block', 'neuron'] as const)('is evaluated on CUDA, %s', (granularity) => {
    const options = { batch: 4, granularity, branchScale: 0.5, provider: 'cuda' } as const;
    expect(problemsOf(model.evaluation(options).graph)).toEqual([]);
    const buffers = model.tensors.some(({ kind }) => kind === 'buffer');
    if (buffers) expect(problemsOf(model.statistics(options).graph)).toEqual([]);
  });

  it('runs on CUDA as exported', () => {
    expect(problemsOf(model.inference().graph)).toEqual([]);
  });
});

describe('each formulation', () => {
  const model = createModel(specs[2]![1]);
  const choices = (
    ['ConvWeightGradient', 'ConvInputGradient', 'BatchNormalization', 'BatchNormalizationGradient'] as const
  ).flatMap((operator) =>
    formulationsOf(operator, { customOps: true }).map((formulation): [FormulatedOperator, string] => [
      operator,
      formulation,
    ]),
  );

  it.each(choices)('has kernels: %s as %s', (operator, formulation) => {
    const { graph } = model.training({
      batch: 4,
      granularity: 'block',
      masking: 'forward',
      held: heldOf(model).all!,
      provider: 'cuda',
      lowering: { customOperators: true, formulations: { [operator]: formulation } },
    });
    expect(problemsOf(graph)).toEqual([]);
  });
});

describe('what is not right on CUDA', () => {
  const build = (body: (g: GraphBuilder) => void): Graph => {
    const g = new GraphBuilder('training');
    g.scope = 'layer1';
    body(g);
    return g.build();
  };

  it('is named by graph, node and operator where a kernel is missing', () => {
    const model = createModel(specs[0]![1]);
    const { graph } = model.training({
      batch: 4,
      granularity: 'block',
      masking: 'forward',
      held: heldOf(model).all!,
      provider: 'cuda',
    });
    const kernels = new Map(table.kernels);
    kernels.delete('ai.onnx Gemm');
    const problems = problemsOf(graph, { ...table, kernels });
    expect(problems.length).toBe(graph.nodes.filter(({ op }) => op.type === 'Gemm').length);
    expect(problems).toContainEqual(
      expect.stringMatching(
        /^training, node layer2\.1\.conv2:Gemm_\d+: Gemm has no CUDA kernel at version 13 for T=float$/,
      ),
    );
  });

  it('is a type that no kernel takes', () => {
    const graph = build((g) =>
      g.output('y', gather(g, cast(g, g.input('x', 'float32', [4]), 'bool'), g.input('i', 'int64', [2]), 0)),
    );
    expect(problemsOf(graph)).toEqual([]);
    const kernels = new Map(table.kernels);
    kernels.set('ai.onnx Gather', [{ first: 13, last: Infinity, openEnded: true, types: new Map([['T', ['float']]]) }]);
    expect(problemsOf(graph, { ...table, kernels })).toEqual([
      'training, node layer1:Gather_1: Gather has no CUDA kernel at version 13 for T=bool, Tind=int64',
    ]);
  });

  it('is an open-ended kernel that starts before the operator as it is now', () => {
    const graph = build((g) => g.output('y', cast(g, g.input('x', 'float32', [4]), 'int32')));
    const with9 = (last: number, openEnded: boolean) =>
      problemsOf(graph, {
        ...table,
        kernels: new Map([['ai.onnx Cast', [{ first: 9, last, openEnded, types: new Map<string, string[]>() }]]]),
      });
    expect(with9(Infinity, true)).toHaveLength(1);
    expect(with9(18, false)).toEqual([]);
    expect(with9(12, false)).toHaveLength(1);
  });

  it('is an attribute that the kernel refuses', () => {
    const graph = build((g) => {
      const [x, w] = [g.input('x', 'float32', [1, 2, 4, 4]), g.input('w', 'float32', [2, 2, 3, 3])];
      const channel = g.input('c', 'float32', [2]);
      g.output('y', convTranspose(g, x, w, { strides: [2, 2], pads: [1, 1, 0, 1], output_padding: [0, 0] }));
      g.output('z', batchNormTraining(g, x, channel, channel, 1e-5).y);
    });
    expect(problemsOf(graph)).toEqual([
      expect.stringMatching(/^training, node layer1:ConvTranspose_0: ConvTranspose is left to the CPU/),
      expect.stringMatching(
        /^training, node layer1:BatchNormalization_\d+: BatchNormalization throws in training mode/,
      ),
    ]);
  });

  it('is a shape that is computed outside the scope of order', () => {
    const graph = build((g) => g.output('y', g.add(Size, [g.input('x', 'float32', [4])], {})[0]!));
    expect(problemsOf(graph)).toEqual(['training, node layer1:Size_0: Size leaves its result in host memory']);
  });
});
