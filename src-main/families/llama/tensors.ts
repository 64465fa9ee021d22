// Tensors of a LLaMA-style language model with the names, shapes and initialisation of Hugging Face LlamaForCausalLM, and their place
// in the method.
//
// A block is a decoder layer with everything in it. Its neuron groups: `<block>/mlp`, hidden units of the MLP (rows of gate and up, columns
// of down), and `<block>/heads`, key-value heads with the query heads that read them (rows of q, k and v, columns of o).

import type { NeuronGroup, TensorSpec } from '../../models/model.ts';
import type { LlamaSpec } from './config.ts';

/** As in LLaMA 2 and in the reference cases; exports name both. */
export const normEpsilon = 1e-5;
export const rotaryBase = 10000;
const initialStd = 0.02;

export const headSize = ({ hidden, heads }: LlamaSpec): number => hidden / heads;
/** Query heads that read one key-value head. */
export const groupSize = ({ heads, kvHeads }: LlamaSpec): number => heads / kvHeads;

export const llamaBlocks = ({ layers }: LlamaSpec): string[] =>
  Array.from({ length: layers }, (_, index) => `model.layers.${index}`);

export const llamaGroups = (spec: LlamaSpec): NeuronGroup[] =>
  llamaBlocks(spec).flatMap((block) => [
    { id: `${block}/heads`, size: spec.kvHeads },
    { id: `${block}/mlp`, size: spec.ff },
  ]);

/** Name of the head's weight: the embedding's own where they are tied. */
export const headName = ({ tied }: LlamaSpec): string => (tied ? embeddingName : 'lm_head.weight');
export const embeddingName = 'model.embed_tokens.weight';

/** In the order of the state dict. */
export function llamaTensors(spec: LlamaSpec): TensorSpec[] {
  const { vocab, hidden, tied } = spec;
  return [
    matrix(embeddingName, vocab, hidden),
    ...llamaBlocks(spec).flatMap((block) => blockTensors(spec, block)),
    norm('model.norm.weight', hidden),
    ...(tied ? [] : [matrix('lm_head.weight', vocab, hidden)]),
  ];
}

function blockTensors(spec: LlamaSpec, block: string): TensorSpec[] {
  const { hidden, ff, heads, kvHeads } = spec;
  const size = headSize(spec);
  const masked = (tensor: TensorSpec, group: string, axis: number, span: number): TensorSpec => ({
    ...tensor,
    neurons: { group: `${block}/${group}`, axis, span },
  });
  const queries = groupSize(spec) * size;
  return [
    masked(matrix(`${block}.self_attn.q_proj.weight`, heads * size, hidden), 'heads', 0, queries),
    masked(matrix(`${block}.self_attn.k_proj.weight`, kvHeads * size, hidden), 'heads', 0, size),
    masked(matrix(`${block}.self_attn.v_proj.weight`, kvHeads * size, hidden), 'heads', 0, size),
    masked(matrix(`${block}.self_attn.o_proj.weight`, hidden, heads * size), 'heads', 1, queries),
    masked(matrix(`${block}.mlp.gate_proj.weight`, ff, hidden), 'mlp', 0, 1),
    masked(matrix(`${block}.mlp.up_proj.weight`, ff, hidden), 'mlp', 0, 1),
    masked(matrix(`${block}.mlp.down_proj.weight`, hidden, ff), 'mlp', 1, 1),
    norm(`${block}.input_layernorm.weight`, hidden),
    norm(`${block}.post_attention_layernorm.weight`, hidden),
  ].map((tensor) => ({ ...tensor, block }));
}

const matrix = (name: string, rows: number, columns: number): TensorSpec => ({
  name,
  kind: 'parameter',
  shape: [rows, columns],
  init: { kind: 'normal', std: initialStd },
  block: null,
  neurons: null,
});

const norm = (name: string, size: number): TensorSpec => ({
  ...matrix(name, size, 1),
  shape: [size],
  init: { kind: 'constant', value: 1 },
});
