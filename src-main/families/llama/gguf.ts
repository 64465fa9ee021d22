// A LLaMA-style language model as llama.cpp has it: its names of tensors and numbers, and its order of rows.
//
// Hugging Face turns pairs of scalars that lie half a head apart, llama.cpp pairs that lie side by side. So the rows of a head's queries and
// keys go there as 0, h/2, 1, h/2 + 1, ... (h head size).

import type { GgufLayout } from '../../models/model.ts';
import type { LlamaSpec } from './config.ts';
import { embeddingName, headSize, llamaBlocks, normEpsilon, rotaryBase } from './tensors.ts';

const inLayer: Record<string, string> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

export function llamaGguf(spec: LlamaSpec): GgufLayout {
  const size = headSize(spec);
  const layers = llamaBlocks(spec).flatMap((block, layer) =>
    Object.entries(inLayer).map(([name, there]) => ({
      name: `blk.${layer}.${there}.weight`,
      tensor: `${block}.${name}.weight`,
      ...(/[qk]_proj$/.test(name) && { rows: interleavedRows(name.includes('.q_') ? spec.heads : spec.kvHeads, size) }),
    })),
  );
  return {
    architecture: 'llama',
    uint32: {
      vocab_size: spec.vocab,
      context_length: spec.seq,
      embedding_length: spec.hidden,
      block_count: spec.layers,
      feed_forward_length: spec.ff,
      'rope.dimension_count': size,
      'attention.head_count': spec.heads,
      'attention.head_count_kv': spec.kvHeads,
    },
    float32: { 'attention.layer_norm_rms_epsilon': normEpsilon, 'rope.freq_base': rotaryBase },
    tensors: [
      { name: 'token_embd.weight', tensor: embeddingName },
      ...layers,
      { name: 'output_norm.weight', tensor: 'model.norm.weight' },
      ...(spec.tied ? [] : [{ name: 'output.weight', tensor: 'lm_head.weight' }]),
    ],
  };
}

/** Rows as llama.cpp has them, by their number in Hugging Face's tensor. */
export function interleavedRows(heads: number, size: number): number[] {
  const half = size / 2;
  return Array.from({ length: heads * size }, (_, row) => {
    const [head, place] = [Math.floor(row / size), row % size];
    return head * size + (place % 2) * half + Math.floor(place / 2);
  });
}
