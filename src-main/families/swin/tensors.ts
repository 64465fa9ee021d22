// Tensors of a Swin Transformer (v1) with torchvision's names, shapes and initialisation, and their place in the method.
//
// `features.0` embeds patches, `features.1`, `.3`, ... are stages of blocks, and `features.2`, `.4`, ... between them merge patches and double
// the channels. A block's unit is all of it. Its neuron groups are its heads (their rows of query, key and value, their columns of the
// projection and of the bias table) and the hidden units of its MLP; norms and output biases are shared.

import type { LibraryConstant, NeuronAxis, TensorSpec } from '../../models/model.ts';
import { checkSizes, type SwinSpec } from './config.ts';
import { mergedExtents, relativePositions, type Extents } from './windows.ts';

export interface SwinStage {
  /** `features.S`, S odd. */
  id: string;
  channels: number;
  heads: number;
  /** Hidden units of the MLP. */
  hidden: number;
  /** Extents of the image in tokens. */
  image: Extents;
  /** `features.S.B`, B from 0. */
  blocks: string[];
  /** `features.(S+1)`; null after the last stage. */
  merging: string | null;
}

/** Fails with one sentence where sizes do not go together. */
export function swinStages(spec: SwinSpec): SwinStage[] {
  checkSizes(spec);
  let image: Extents = [Math.floor(spec.image[0] / spec.patch[0]), Math.floor(spec.image[1] / spec.patch[1])];
  return spec.depths.map((depth, stage) => {
    const channels = spec.embed * 2 ** stage;
    const id = `features.${2 * stage + 1}`;
    const made: SwinStage = {
      id,
      channels,
      heads: spec.heads[stage]!,
      hidden: Math.trunc(channels * spec.mlpRatio),
      image,
      blocks: Array.from({ length: depth }, (_, block) => `${id}.${block}`),
      merging: stage < spec.depths.length - 1 ? `features.${2 * stage + 2}` : null,
    };
    image = mergedExtents(image);
    return made;
  });
}

/** In the order of the state dict. */
export function swinTensors(spec: SwinSpec): TensorSpec[] {
  const stages = swinStages(spec);
  const fanIn = spec.channels * spec.patch[0] * spec.patch[1];
  const uniform = { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) } as const;
  const features = stages.at(-1)!.channels;
  return [
    { ...shared('features.0.0.weight', [spec.embed, spec.channels, ...spec.patch]), init: uniform },
    { ...shared('features.0.0.bias', [spec.embed]), init: uniform },
    ...norm('features.0.2', spec.embed),
    ...stages.flatMap((stage) => [
      ...stage.blocks.flatMap((block) => blockTensors(block, stage, spec)),
      ...(stage.merging ? mergingTensors(stage.merging, stage.channels) : []),
    ]),
    ...norm('norm', features),
    ...linear('head', spec.classes, features),
  ];
}

/** torchvision keeps the index of relative positions in the state dict. */
export function swinConstants(spec: SwinSpec): LibraryConstant[] {
  const values = relativePositions(spec.window);
  return swinStages(spec)
    .flatMap((stage) => stage.blocks)
    .map((block) => ({ name: `${block}.attn.relative_position_index`, values }));
}

function blockTensors(block: string, { channels, heads, hidden }: SwinStage, { window }: SwinSpec): TensorSpec[] {
  const span = channels / heads;
  const ofHeads = (axis: number, of: Partial<NeuronAxis>): NeuronAxis => ({ group: `${block}/heads`, axis, ...of });
  const ofMlp = (axis: number): NeuronAxis => ({ group: `${block}/mlp`, axis });
  const positions = (2 * window[0] - 1) * (2 * window[1] - 1);
  const table = normal(`${block}.attn.relative_position_bias_table`, [positions, heads]);
  return [
    ...norm(`${block}.norm1`, channels),
    masked(table, ofHeads(1, {})),
    ...linear(`${block}.attn.qkv`, 3 * channels, channels).map((t) => masked(t, ofHeads(0, { span, parts: 3 }))),
    ...columnsMasked(linear(`${block}.attn.proj`, channels, channels), ofHeads(1, { span })),
    ...norm(`${block}.norm2`, channels),
    ...linear(`${block}.mlp.0`, hidden, channels).map((tensor) => masked(tensor, ofMlp(0))),
    ...columnsMasked(linear(`${block}.mlp.3`, channels, hidden), ofMlp(1)),
  ].map((tensor) => ({ ...tensor, block }));
}

const mergingTensors = (id: string, channels: number): TensorSpec[] => [
  normal(`${id}.reduction.weight`, [2 * channels, 4 * channels]),
  ...norm(`${id}.norm`, 4 * channels),
];

const masked = (tensor: TensorSpec, neurons: NeuronAxis): TensorSpec => ({ ...tensor, neurons });

/** Of a layer's weight and bias, the columns of the weight. */
const columnsMasked = ([weight, ...rest]: TensorSpec[], neurons: NeuronAxis): TensorSpec[] => [
  masked(weight!, neurons),
  ...rest,
];

const shared = (name: string, shape: number[], value = 0): TensorSpec => ({
  name,
  kind: 'parameter',
  shape,
  init: { kind: 'constant', value },
  block: null,
  neurons: null,
});

/** torchvision truncates this normal distribution at 100 standard deviations: nowhere. */
const normal = (name: string, shape: number[]): TensorSpec => ({
  ...shared(name, shape),
  init: { kind: 'normal', std: 0.02 },
});

const linear = (layer: string, outputs: number, inputs: number): TensorSpec[] => [
  normal(`${layer}.weight`, [outputs, inputs]),
  shared(`${layer}.bias`, [outputs]),
];

const norm = (layer: string, channels: number): TensorSpec[] => [
  shared(`${layer}.weight`, [channels], 1),
  shared(`${layer}.bias`, [channels]),
];
