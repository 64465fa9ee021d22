// Tensors of a Vision Transformer with torchvision's names, shapes and initialisation, and their place in the method.
//
// A block's unit is all of it. Its neuron groups are its heads (their rows of query, key and value, their columns of the projection) and the
// hidden units of its MLP; norms and output biases are shared.

import type { NeuronAxis, TensorSpec } from '../../models/model.ts';
import type { ViTSpec } from './config.ts';

export const vitBlocks = ({ layers }: ViTSpec): string[] =>
  Array.from({ length: layers }, (_, layer) => `encoder.layers.encoder_layer_${layer}`);

/** Patches of an image. */
export const numPatches = ({ image, patch }: ViTSpec): number =>
  Math.floor(image[0] / patch) * Math.floor(image[1] / patch);

/** In the order of the state dict. */
export function vitTensors(spec: ViTSpec): TensorSpec[] {
  const { hidden, channels, patch, classes } = spec;
  const fanIn = channels * patch * patch;
  return [
    constant('class_token', [1, 1, hidden]),
    // torchvision truncates this normal distribution at 2, which are many standard deviations.
    normal('conv_proj.weight', [hidden, channels, patch, patch], Math.sqrt(1 / fanIn)),
    constant('conv_proj.bias', [hidden]),
    normal('encoder.pos_embedding', [1, numPatches(spec) + 1, hidden], 0.02),
    ...vitBlocks(spec).flatMap((block) => blockTensors(block, spec)),
    ...norm('encoder.ln', hidden),
    constant('heads.head.weight', [classes, hidden]),
    constant('heads.head.bias', [classes]),
  ];
}

function blockTensors(block: string, { hidden, heads, mlp }: ViTSpec): TensorSpec[] {
  const attention = `${block}.self_attention`;
  const ofHeads = (axis: number, parts = 1): NeuronAxis => ({
    group: `${block}/heads`,
    axis,
    span: hidden / heads,
    parts,
  });
  const ofMlp = (axis: number): NeuronAxis => ({ group: `${block}/mlp`, axis });
  return [
    ...norm(`${block}.ln_1`, hidden),
    masked(xavier(`${attention}.in_proj_weight`, 3 * hidden, hidden), ofHeads(0, 3)),
    masked(constant(`${attention}.in_proj_bias`, [3 * hidden]), ofHeads(0, 3)),
    masked(uniform(`${attention}.out_proj.weight`, [hidden, hidden], 1 / Math.sqrt(hidden)), ofHeads(1)),
    constant(`${attention}.out_proj.bias`, [hidden]),
    ...norm(`${block}.ln_2`, hidden),
    masked(xavier(`${block}.mlp.0.weight`, mlp, hidden), ofMlp(0)),
    masked(normal(`${block}.mlp.0.bias`, [mlp], 1e-6), ofMlp(0)),
    masked(xavier(`${block}.mlp.3.weight`, hidden, mlp), ofMlp(1)),
    normal(`${block}.mlp.3.bias`, [hidden], 1e-6),
  ].map((tensor) => ({ ...tensor, block }));
}

const masked = (tensor: TensorSpec, neurons: NeuronAxis): TensorSpec => ({ ...tensor, neurons });

const constant = (name: string, shape: number[], value = 0): TensorSpec => ({
  name,
  kind: 'parameter',
  shape,
  init: { kind: 'constant', value },
  block: null,
  neurons: null,
});

const normal = (name: string, shape: number[], std: number): TensorSpec => ({
  ...constant(name, shape),
  init: { kind: 'normal', std },
});

const uniform = (name: string, shape: number[], bound: number): TensorSpec => ({
  ...constant(name, shape),
  init: { kind: 'uniform', bound },
});

/** Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward neural networks". */
const xavier = (name: string, outputs: number, inputs: number): TensorSpec =>
  uniform(name, [outputs, inputs], Math.sqrt(6 / (outputs + inputs)));

const norm = (layer: string, size: number): TensorSpec[] => [
  constant(`${layer}.weight`, [size], 1),
  constant(`${layer}.bias`, [size]),
];
