// config.json of Hugging Face's LlamaForCausalLM.

import type { LlamaSpec } from './config.ts';
import { headSize, normEpsilon, rotaryBase } from './tensors.ts';

/** `end`: the token that ends a text, where the tokenizer has one. */
export const pretrainedConfig = (spec: LlamaSpec, end: { token: number } | null): object => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: spec.vocab,
  hidden_size: spec.hidden,
  intermediate_size: spec.ff,
  num_hidden_layers: spec.layers,
  num_attention_heads: spec.heads,
  num_key_value_heads: spec.kvHeads,
  head_dim: headSize(spec),
  max_position_embeddings: spec.seq,
  hidden_act: 'silu',
  rms_norm_eps: normEpsilon,
  rope_theta: rotaryBase,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: spec.tied,
  initializer_range: 0.02,
  bos_token_id: null,
  eos_token_id: end?.token ?? null,
  torch_dtype: 'float32',
});
