// Language models as Hugging Face's LlamaForCausalLM.

import { z } from 'zod';
import { UserError } from '../../contract/errors.ts';
import { count, positiveInt, type ConfigProblem, type Family } from '../family.ts';

const family = z.literal('llama');

const config = z.strictObject({
  family: family.describe('Model family; language model as LlamaForCausalLM'),
  preset: z
    .enum(['custom', '15M', '134M', '500M', '1B'])
    .default('custom')
    .describe('Sizes by name, counted with a vocabulary of 32,000; custom: the sizes below'),
  hidden: count.default(256).describe('Width of the hidden states'),
  ff: count.default(688).describe('Hidden units of each MLP'),
  layers: count.max(1000).default(6).describe('Decoder layers'),
  heads: count.default(8).describe('Query heads'),
  kvHeads: count.default(8).describe('Key-value heads; their number must divide heads'),
  tied: z.boolean().default(false).describe('Whether the head shares the weight of the embedding'),
  seq: count.default(256).describe('Tokens per sequence'),
  vocab: count.optional().describe('Size of the vocabulary; default: that of the dataset'),
});
type LlamaConfig = z.infer<typeof config>;

const sizes: Record<
  Exclude<LlamaConfig['preset'], 'custom'>,
  Pick<LlamaConfig, 'hidden' | 'ff' | 'layers' | 'heads' | 'kvHeads' | 'tied'>
> = {
  '15M': { hidden: 288, ff: 768, layers: 6, heads: 6, kvHeads: 6, tied: true },
  '134M': { hidden: 768, ff: 2048, layers: 12, heads: 12, kvHeads: 12, tied: false },
  '500M': { hidden: 1280, ff: 3456, layers: 21, heads: 20, kvHeads: 20, tied: false },
  '1B': { hidden: 2048, ff: 8192, layers: 16, heads: 32, kvHeads: 8, tied: true },
};

/** Values in the tables of rotary embeddings: positions times the size of a head. */
const mostRotations = 2 ** 24;

const spec = z.object({
  family,
  vocab: z.number(),
  hidden: z.number(),
  /** Hidden units of each MLP. */
  ff: z.number(),
  layers: z.number(),
  /** Query heads, and key-value heads; the former is a multiple of the latter. */
  heads: z.number(),
  kvHeads: z.number(),
  /** Tokens of a training sequence. */
  seq: z.number(),
  /** Whether the head shares the embedding's weight. */
  tied: z.boolean(),
});
export type LlamaSpec = Omit<z.infer<typeof spec>, 'family'>;

const caseModel = z
  .object({
    family,
    vocab: positiveInt,
    hidden: positiveInt,
    ff: positiveInt,
    layers: positiveInt,
    heads: positiveInt,
    kv_heads: positiveInt,
    seq: positiveInt,
    tied: z.boolean(),
  })
  .transform(({ kv_heads: kvHeads, ...rest }) => ({ ...rest, kvHeads }));

export const llama = {
  config,
  spec,
  caseModel,
  reads: 'tokens',
  formats: ['safetensors', 'onnx', 'gguf'],
  presets: Object.keys(sizes).map((preset) => ({ title: `LLaMA ${preset}`, model: { preset } })),
  sizes,
  problem,
  describe: ({ layers, hidden, seq }) => `LLaMA of ${layers} layers, width ${hidden}, sequences of ${seq}`,
  fit({ preset: _, vocab, ...rest }, { vocabulary, largest }) {
    if (vocab !== undefined && vocabulary > vocab)
      throw new UserError(
        'configuration',
        `model.vocab is ${vocab}, but ${largest.file} has token ${largest.token} at position ${largest.position} (from 0)`,
        { key: 'model.vocab' },
      );
    return { ...rest, vocab: vocab ?? vocabulary };
  },
} satisfies Family<LlamaConfig, z.infer<typeof spec>>;

function problem({ hidden, heads, kvHeads, seq }: LlamaConfig): ConfigProblem | null {
  if (hidden % heads !== 0) return { key: 'model.heads', problem: `must divide model.hidden, ${hidden}, got ${heads}` };
  if ((hidden / heads) % 2 !== 0)
    return {
      key: 'model.heads',
      problem: `must leave heads of even size, but ${hidden} / ${heads} is ${hidden / heads}`,
    };
  if (heads % kvHeads !== 0)
    return { key: 'model.kvHeads', problem: `must divide model.heads, ${heads}, got ${kvHeads}` };
  const longest = Math.floor(mostRotations / (hidden / heads));
  if (seq > longest)
    return {
      key: 'model.seq',
      problem: `must be at most ${longest} with heads of size ${hidden / heads}, got ${seq}`,
    };
  return null;
}
