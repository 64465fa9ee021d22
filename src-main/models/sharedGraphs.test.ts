import { expect, test } from 'vitest';
import type { ModelSpec } from '../families/configs.ts';
import { createModel } from '../families/models.ts';
import { toOnnx } from '../graph/onnx.ts';
import { assignMasks } from '../masks/assign.ts';
import { mapTrainingGraphs } from './sharedGraphs.ts';
import { plainTraining } from './training.ts';

const images = { channels: 1, image: [8, 8] as [number, number], classes: 10 };
const models: ModelSpec[] = [
  { family: 'resnet', layers: [1, 1], width: 8, stem: 'cifar', ...images },
  { family: 'swin', patch: [2, 2], window: [2, 2], embed: 8, depths: [2, 2], heads: [2, 4], mlpRatio: 2, ...images },
  { family: 'llama', vocab: 32, hidden: 16, ff: 24, layers: 2, heads: 4, kvHeads: 4, seq: 8, tied: false },
];
/** Granularity, masking, holders of a unit, and graphs of four workers that are not alike. */
const regimes = [
  ['block', 'forward', 4, 1],
  ['neuron', 'forward', 2, 1],
  ['neuron', 'backward', 2, 4],
  ['neuron', 'backward', 4, 1],
] as const;
const cases = models.flatMap((spec) => regimes.map((regime) => [spec.family, ...regime, spec] as const));

test.each(cases)('%s: graphs of %s-%s masks with %i holders: %i', (_, granularity, masking, coverage, count, spec) => {
  const model = createModel(spec);
  const options = { batch: 2, granularity, masking, ...plainTraining, accumulate: true };
  const shape = { numWorkers: 4, coverage, granularity, masking, assignment: 'count', seed: 3 } as const;
  const { held } = assignMasks(model, shape, () => []);
  const workers = held.map((of) => ({ ...options, held: of }));
  const shared = mapTrainingGraphs(model, workers, (built) => built);
  expect(new Set(shared.map(({ graph }) => graph)).size).toBe(count);
  held.forEach((of, worker) => {
    const { graph, ...ports } = model.training({ ...options, held: of });
    const { graph: sharedGraph, ...sharedPorts } = shared[worker]!;
    expect(Buffer.compare(toOnnx(sharedGraph), toOnnx(graph))).toBe(0);
    expect(sharedPorts).toEqual(ports);
  });
});
