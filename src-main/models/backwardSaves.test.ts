// What backward masking saves: weight gradients of what is not held are not in the graph, nor is what only they would have needed kept.

import { describe, expect, it } from 'vitest';
import type { ModelSpec } from '../families/configs.ts';
import { graphFlops } from '../graph/flops.ts';
import { liveness } from '../graph/liveness.ts';
import { createModel } from '../families/models.ts';
import type { Held, ModelDefinition } from './model.ts';

const batch = 2;

interface Family {
  spec: ModelSpec;
  /** A block, and the multiply-adds of its weights per sample: the weight gradient takes as many. */
  block: string;
  multiplyAdds: number;
}

const families: Family[] = [
  {
    spec: { family: 'resnet', layers: [2, 2], width: 16, stem: 'cifar', channels: 3, image: [16, 16], classes: 10 },
    block: 'layer1.1',
    // Two 3x3 convolutions of 16 to 16 channels at 16x16.
    multiplyAdds: 2 * (9 * 16 * 16) * (16 * 16),
  },
  {
    spec: {
      family: 'swin',
      patch: [2, 2],
      window: [4, 4],
      embed: 32,
      depths: [2, 2],
      heads: [2, 4],
      mlpRatio: 4,
      channels: 3,
      image: [16, 16],
      classes: 10,
    },
    block: 'features.1.1',
    // Query, key, value and output of 32, MLP of 128, for 8x8 tokens.
    multiplyAdds: (4 * 32 * 32 + 2 * 32 * 128) * (8 * 8),
  },
  {
    spec: {
      family: 'llama',
      vocab: 50,
      hidden: 32,
      ff: 80,
      layers: 4,
      heads: 4,
      kvHeads: 4,
      seq: 32,
      tied: false,
    },
    block: 'model.layers.2',
    multiplyAdds: (4 * 32 * 32 + 3 * 32 * 80) * 32,
  },
];

const everything = (model: ModelDefinition): Held => ({ blocks: model.blocks, neurons: {} });

function training(model: ModelDefinition, granularity: 'block' | 'neuron', held: Held) {
  return model.training({ batch, granularity, masking: 'backward', held });
}

describe.each(families)('$spec.family', ({ spec, block, multiplyAdds }) => {
  const model = createModel(spec);
  const whole = training(model, 'block', everything(model));

  it('computes no weight gradient of a block that is not held', () => {
    const part = training(model, 'block', { blocks: model.blocks.filter((id) => id !== block), neurons: {} });
    const saved = graphFlops(whole.graph) - graphFlops(part.graph);
    const weightGradients = 2 * multiplyAdds * batch;
    expect(saved).toBeGreaterThanOrEqual(weightGradients);
    // Besides: gradients of biases and norms, elementwise. The gradient of the block's input stays.
    expect(saved).toBeLessThan(1.2 * weightGradients);
    expect(part.outputs.some(({ tensor }) => tensor.startsWith(`${block}.`))).toBe(false);
  });

  it('computes gradients of held neurons only', () => {
    const half = Object.fromEntries(
      model.groups.map(({ id, size }) => [id, Array.from({ length: size / 2 }, (_, unit) => 2 * unit)]),
    );
    const part = training(model, 'neuron', { blocks: model.blocks, neurons: half });
    const saved = graphFlops(training(model, 'neuron', everything(model)).graph) - graphFlops(part.graph);
    expect(saved).toBeGreaterThan(0.95 * multiplyAdds * batch);
  });

  it('keeps no more than plain data parallelism does', () => {
    const none = training(model, 'block', { blocks: [], neurons: {} });
    const [less, more] = [liveness(none.graph).peakBytes, liveness(whole.graph).peakBytes];
    expect(less).toBeLessThanOrEqual(more);
    // A ResNet's gradients of images need what those of its weights need: inputs of normalisations and masks of ReLUs.
    if (spec.family !== 'resnet') expect(less).toBeLessThan(0.9 * more);
  });
});
