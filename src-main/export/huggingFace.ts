// The folder that from_pretrained of Hugging Face's models and tokenizers loads: config.json, weights in files of at most 5 GB with an index
// where there are several, and the tokenizer of the text.

import { join } from 'node:path';
import type { ModelDefinition, TensorSpec } from '../models/model.ts';
import { replaceFile } from '../files/files.ts';
import type { Tokenizer } from '../data/tokenizer.ts';

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

/** Writes what stands beside the weights; returns the paths. `tokenizer` is absent where the dataset has none. */
export async function writePretrainedFolder(
  folder: string,
  { pretrained, tensors, sample }: Pick<ModelDefinition, 'pretrained' | 'tensors' | 'sample'>,
  files: readonly WeightFile[],
  tokenizer: Tokenizer | undefined,
): Promise<string[]> {
  const contents = { 'config.json': toJson(pretrained!(tokenizer?.end() ?? null)) } as Record<string, string>;
  if (files.length > 1) contents['model.safetensors.index.json'] = toJson(indexOf(tensors, files));
  if (tokenizer) {
    contents['tokenizer.json'] = tokenizer.exported();
    contents['tokenizer_config.json'] = toJson(tokenizerConfig(sample[0]!, tokenizer));
  }
  for (const [name, text] of Object.entries(contents))
    await replaceFile(join(folder, name), (file) => file.writeFile(text));
  return Object.keys(contents).map((name) => join(folder, name));
}

function tokenizerConfig(longest: number, tokenizer: Tokenizer): object {
  const end = tokenizer.end();
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: longest,
    clean_up_tokenization_spaces: false,
    ...(end && {
      eos_token: end.text,
      pad_token: end.text,
      split_special_tokens: !tokenizer.encode(end.text).includes(end.token),
    }),
  };
}

function indexOf(tensors: readonly TensorSpec[], files: readonly WeightFile[]): object {
  return {
    metadata: { total_size: tensors.reduce((total, spec) => total + bytesOf(spec), 0) },
    weight_map: Object.fromEntries(files.flatMap((file) => file.tensors.map((tensor) => [tensor, file.name]))),
  };
}

const toJson = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
