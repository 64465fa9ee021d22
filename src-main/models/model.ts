// What a model family gives to the rest: its tensors with their place in the method (block, neuron group), and graphs over them.
//
// Names, shapes and initialisation are the library's (torchvision, Hugging Face). A tensor's *store layout* is its library layout
// under block granularity; under neuron granularity the masked axis of a grouped tensor comes first (`storeAxis`), so that the
// scalars of one unit are one contiguous run. Graph inputs and outputs for such tensors use the store layout.
// Shape legend: B batch, C channels, H W image, K classes.

import type { ExecutionProvider, Graph } from '../graph/graph.ts';
import type { DynamicAxes } from '../graph/onnx.ts';
import type { LoweringOptions } from '../graph/lower/formulations.ts';

/** How a parameter starts. `normal`: mean 0; `uniform`: in [-bound, bound]. */
export type Initializer =
  { kind: 'constant'; value: number } | { kind: 'normal'; std: number } | { kind: 'uniform'; bound: number };

export interface TensorSpec {
  /** State-dict key of the library. */
  name: string;
  /** `buffer`: BatchNorm running statistics; averaged over holders, never optimised. */
  kind: 'parameter' | 'buffer';
  /** Library layout. */
  shape: number[];
  init: Initializer;
  /** The block whose unit it belongs to under block granularity; null: shared by all workers. */
  block: string | null;
  /** The neuron group that masks it under neuron granularity; null: shared by all workers. */
  neurons: NeuronAxis | null;
}

/**
 * How the units of a group lie along an axis (library layout): the axis has `parts` equal parts, and in each of them unit u has the
 * `span` rows from u * span on. A query, key and value projection of heads has 3 parts and the head's extent as span.
 */
export interface NeuronAxis {
  group: string;
  axis: number;
  /** Default 1, both. */
  span?: number;
  parts?: number;
}

/** `id` is `<block>/channels` (inner channels), `<block>/mlp` (hidden units) or `<block>/heads`; `size` the number of its units. */
export interface NeuronGroup {
  id: string;
  size: number;
}

export type Granularity = 'block' | 'neuron';
export type Masking = 'forward' | 'backward';

/** What one worker holds: block ids, and for each neuron group its sorted unit indices. A group that is absent is held whole. */
export interface Held {
  blocks: string[];
  neurons: Record<string, number[]>;
}

/** Masks of all workers; `held.length` is the number of workers. DDP: every worker holds everything. */
export interface Masks {
  granularity: Granularity;
  masking: Masking;
  held: Held[];
}

/** A graph input or output that is a tensor of the model: which rows of its store layout (null: all), and the shape it has there. */
export interface TensorPort {
  /** Name of the graph value: the tensor's name for inputs, `grad/<name>` or `stat/<name>` for outputs. */
  port: string;
  tensor: string;
  rows: readonly number[] | null;
  shape: number[];
}

/** An int64 vector of the library's state dict that never changes and no graph reads; exports carry it. */
export interface LibraryConstant {
  name: string;
  values: number[];
}

/**
 * A graph with everything needed to bind it. All graphs read `input`, images [B,C,H,W] (float32) or tokens [B,T] (int64), and, but for
 * `inference` and `statistics`, `label`: the class [B] or the next token [B,T] (int64), or with soft labels shares of the classes [B,K] (float32).
 */
export interface ModelGraph {
  graph: Graph;
  batch: number;
  inputs: TensorPort[];
  outputs: TensorPort[];
  /** Axes that accept any extent, in graphs for files. */
  dynamicAxes?: DynamicAxes;
  /** Inputs with random factors; absent where the family drops nothing. */
  draws?: DrawPort[];
  /** Inputs with what the micro-batch before has left in the slab: gradients (at first 0) and running statistics. */
  carried?: TensorPort[];
}

/** A graph input whose elements are 0 with the probability `drop` and 1 / (1 - drop) otherwise; axis 0 counts the samples. */
export interface DrawPort {
  port: string;
  shape: number[];
  /** Configuration key that asks for it. */
  key: 'dropout' | 'stochasticDepth';
  /** Tells the inputs of a model apart, whatever part of it a worker holds. */
  index: number;
  drop: number;
}

/** What the graph will run on (default: cpu); its operators are chosen for it. */
export interface Target {
  provider?: ExecutionProvider;
  lowering?: LoweringOptions;
}

export interface TrainingOptions extends Target {
  batch: number;
  granularity: Granularity;
  masking: Masking;
  held: Held;
  /** Probability of dropping a feature before the classifier, and the last block's residual branch. Default 0. */
  dropout?: number;
  stochasticDepth?: number;
  /** The inside of each block is computed again for the backward pass. */
  recompute?: boolean;
  /** The graph goes on from the micro-batch before (`carried`). */
  accumulate?: boolean;
  /** Labels are shares of the classes. Not for language models. */
  softLabels?: boolean;
}

export interface FullNetworkOptions extends Target {
  batch: number;
  granularity: Granularity;
  branchScale: number;
}

/** A model of images as another library has it. */
export interface ImageLibrary {
  /** Its names of a tensor: several are of equal parts along axis 0; none: it has no such tensor. */
  names(tensor: string): readonly string[];
  /** Where it has a tensor in another shape. */
  shape?(tensor: string): readonly number[] | undefined;
  /** What makes the network there: for timm the arguments of `create_model`, for Hugging Face config.json; null where only code can. */
  config: object | null;
}

/** What a GGUF file of the model has, but for the tokenizer. */
export interface GgufLayout {
  architecture: string;
  /** Entries under the name of the architecture. */
  uint32: Record<string, number>;
  float32: Record<string, number>;
  /** In the order of the file; `rows`: the library's row that is at each row, where they are not the same. */
  tensors: { name: string; tensor: string; rows?: readonly number[] }[];
}

export interface ModelDefinition {
  family: string;
  /** Parameters first, then buffers, each in the library's state-dict order. */
  tensors: TensorSpec[];
  constants: LibraryConstant[];
  blocks: string[];
  groups: NeuronGroup[];
  reads: 'images' | 'tokens';
  /** Shape of one sample, and the number of classes (of tokens: the vocabulary). */
  sample: number[];
  classes: number;
  /** Bytes of one sample with its labels, as graphs read them. */
  sampleBytes: number;
  /** Tensors to scale by coverage when residual branches are scaled after forward masking (the last affine of each branch, in block order). */
  branchOutputs: string[];
  /**
   * Forward, mean cross-entropy and backward of what `held` leaves of the network.
   * Outputs: `loss` [] float32, `grad/<parameter>` and `stat/<buffer>` (the updated running statistic) of what is held.
   */
  training(options: TrainingOptions): ModelGraph;
  /** Full network with given statistics. Outputs: `loss` [L] (per label; 0 where it is negative) and `logits` [L,K]. */
  evaluation(options: FullNetworkOptions): ModelGraph;
  /**
   * Full network in training mode. Outputs: `stat/<buffer>`, the mean and unbiased variance of this batch alone. No labels are read.
   * Not to be asked of a model without buffers.
   */
  statistics(options: FullNetworkOptions): ModelGraph;
  /** config.json for `from_pretrained` of Hugging Face, which wants a folder of its own; absent where an export is the weights alone. */
  pretrained?(end: { token: number } | null): object;
  /** Exports for other libraries; absent where the family has none. They fail with one sentence where the library has no such network. */
  timm?(): ImageLibrary;
  huggingFace?(): ImageLibrary;
  gguf?(): GgufLayout;
  /** Full network for export, library layout, no scale: `input` -> `logits`. Nothing in it depends on its dynamic axes. */
  inference(): ModelGraph;
  /** The same for tokens one after the other, with a cache of keys and values; absent where nothing is decoded. */
  decoding?(): ModelGraph;
}

/** Of image families: axis 0 counts the images. */
export const batchAxes: DynamicAxes = { input: { 0: 'batch' }, logits: { 0: 'batch' } };

/** Axis that comes first in the store, or null where the store has the library's layout. */
export function storeAxis(spec: TensorSpec, granularity: Granularity): number | null {
  return granularity === 'neuron' && spec.neurons !== null ? spec.neurons.axis : null;
}

/** Of each list of units, by where they lie: the tensors of a group and the graphs of a worker ask for the same. */
const knownRows = new WeakMap<readonly number[], Map<string, readonly number[]>>();

/** Rows of the masked axis that belong to units (ascending), ascending. */
export function unitRows({ name, shape, neurons }: TensorSpec, units: readonly number[]): readonly number[] {
  if (!neurons) throw new Error(`${name} is in no group of neurons`);
  const { axis, span = 1, parts = 1 } = neurons;
  const partSize = shape[axis]! / parts;
  const known = knownRows.get(units) ?? new Map<string, readonly number[]>();
  knownRows.set(units, known);
  const key = [partSize, span, parts].join();
  const found = known.get(key);
  if (found) return found;
  const rows: number[] = [];
  for (let part = 0; part < parts; part++)
    for (const unit of units) for (let i = 0; i < span; i++) rows.push(part * partSize + unit * span + i);
  known.set(key, rows);
  return rows;
}

/** Rows of a tensor's store layout that are held; null: all of it; empty: nothing. */
export function heldRows(spec: TensorSpec, granularity: Granularity, held: Held): readonly number[] | null {
  if (granularity === 'block') return spec.block === null || held.blocks.includes(spec.block) ? null : [];
  const units = spec.neurons && held.neurons[spec.neurons.group];
  if (!units) return null;
  const rows = unitRows(spec, units);
  return rows.length < spec.shape[spec.neurons!.axis]! ? rows : null;
}
