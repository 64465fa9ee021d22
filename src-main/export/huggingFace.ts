// The folder that Hugging Face's LlamaForCausalLM.from_pretrained loads: config.json, and weights in files of at most 5 GB with an index
// where there are several.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headSize, normEpsilon, rotaryBase, type LlamaSpec } from '../models/llamaTensors.ts';
import type { TensorSpec } from '../models/model.ts';

/** A file of weights and the tensors in it. */
export interface WeightFile {
  name: string;
  tensors: string[];
}

const largestFile = 5e9;

const bytesOf = ({ shape }: TensorSpec): number => shape.reduce((size, extent) => size * extent, 4);

/** Cuts the tensors, in their order, into files of at most `limit` bytes (but for a tensor that is larger by itself). */
export function weightFiles(tensors: readonly TensorSpec[], limit = largestFile): WeightFile[] {
  const parts: string[][] = [];
  let bytes = Infinity;
  for (const spec of tensors) {
    bytes += bytesOf(spec);
    if (bytes > limit) {
      parts.push([]);
      bytes = bytesOf(spec);
    }
    parts.at(-1)!.push(spec.name);
  }
  const number = (n: number) => String(n).padStart(5, '0');
  return parts.map((names, index) => ({
    name:
      parts.length === 1 ? 'model.safetensors' : `model-${number(index + 1)}-of-${number(parts.length)}.safetensors`,
    tensors: names,
  }));
}

/** Writes what stands beside the weights; returns the paths. */
export async function writeLlamaFolder(
  folder: string,
  spec: LlamaSpec,
  tensors: readonly TensorSpec[],
  files: readonly WeightFile[],
): Promise<string[]> {
  const written = [join(folder, 'config.json')];
  await writeFile(written[0]!, toJson(llamaConfig(spec)));
  if (files.length > 1) {
    written.push(join(folder, 'model.safetensors.index.json'));
    await writeFile(written[1]!, toJson(indexOf(tensors, files)));
  }
  return written;
}

function llamaConfig(spec: LlamaSpec): object {
  return {
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
    eos_token_id: null,
    torch_dtype: 'float32',
  };
}

function indexOf(tensors: readonly TensorSpec[], files: readonly WeightFile[]): object {
  return {
    metadata: { total_size: tensors.reduce((total, spec) => total + bytesOf(spec), 0) },
    weight_map: Object.fromEntries(files.flatMap((file) => file.tensors.map((tensor) => [tensor, file.name]))),
  };
}

const toJson = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
