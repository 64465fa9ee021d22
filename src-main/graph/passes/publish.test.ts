import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../../families/configs.ts';
import { createModel } from '../../families/models.ts';
import { allocations } from '../allocations.ts';
import { executionOrder } from '../executionOrder.ts';
import type { Graph, Node } from '../graph.ts';
import { findPeak } from '../liveness.ts';
import { decodeOnnx, toOnnx } from '../onnx.ts';
import { verify } from '../verify.ts';
import { publishGradients } from './publish.ts';

const specs: [string, ModelSpec][] = [
  ['ResNet', { family: 'resnet', layers: [2, 2], width: 8, stem: 'cifar', channels: 3, image: [16, 16], classes: 5 }],
  [
    'Swin',
    {
      family: 'swin',
      patch: [2, 2],
      window: [4, 4],
      embed: 8,
      depths: [2, 2],
      heads: [2, 4],
      mlpRatio: 2,
      channels: 3,
      image: [16, 16],
      classes: 5,
    },
  ],
  ['LLaMA', { family: 'llama', vocab: 7, hidden: 16, ff: 8, layers: 6, heads: 4, kvHeads: 4, seq: 8, tied: true }],
];

const arenaOf = (graph: Graph) => findPeak(allocations(graph), 1).arenaBytes;
const isPublish = ({ op }: Node) => op.domain === 'sdp.copies';
const publishing = (graph: Graph) => executionOrder(graph.nodes).filter(isPublish);

describe.each(specs)('%s', (_, spec) => {
  const model = createModel(spec);
  const held = { blocks: model.blocks, neurons: {} };
  const options = { batch: 2, granularity: 'block', masking: 'forward', held, provider: 'cuda' } as const;

  it.each([
    ['plain', {}],
    ['recomputing', { recompute: true }],
    ['accumulating', { accumulate: true }],
  ])('%s: sends each gradient once, the groups as they are finished, right after its last gradient', (_, knobs) => {
    const { graph } = model.training({ ...options, ...knobs });
    const published = verify(publishGradients(graph));
    const gradients = graph.outputs.filter(({ name }) => name.startsWith('grad/')).map(({ value }) => value);
    const groups = publishing(published);
    expect(new Set(groups.flatMap(({ inputs }) => inputs))).toEqual(new Set(gradients));
    expect(groups.flatMap(({ inputs }) => inputs)).toHaveLength(gradients.length);
    expect(groups.length).toBeGreaterThan(2);
    expect(groups.length).toBeLessThan(9);
    expect(published.outputs).toHaveLength(graph.outputs.length + groups.length);

    const order = executionOrder(published.nodes);
    const at = groups.map((group) => order.indexOf(group));
    const finished = new Map(order.flatMap(({ outputs }, place) => outputs.map((value) => [value, place] as const)));
    const ranges = groups.map(({ inputs }) => inputs.map((value) => finished.get(value)!).sort((a, b) => a - b));
    for (const [index, places] of ranges.entries()) {
      expect(at[index]).toBe(places.at(-1)! + 1);
      expect(at[index]).toBeLessThan(ranges[index + 1]?.[0] ?? Infinity);
    }
  });

  it('takes no more memory', () => {
    const { graph } = model.training(options);
    expect(arenaOf(publishGradients(graph))).toBeLessThanOrEqual(1.01 * arenaOf(graph));
  });
});

it('is written with its domain', () => {
  const model = createModel(specs[2]![1]);
  const held = { blocks: model.blocks, neurons: {} };
  const { graph } = model.training({ batch: 2, granularity: 'block', masking: 'forward', held, provider: 'cuda' });
  const { opset_import } = decodeOnnx(toOnnx(publishGradients(graph))) as { opset_import: object[] };
  expect(opset_import).toContainEqual({ domain: 'sdp.copies', version: 1 });
});
