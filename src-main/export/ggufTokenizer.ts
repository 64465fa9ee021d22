// The tokenizer of a dataset as GGUF's metadata has it: a byte-level BPE, and by name the way that llama.cpp cuts text into words before it.

import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import type { GgufValue } from './gguf.ts';

/** What of a tokenizer.json is read; `null` and `false` where only that can be expressed. */
const byteLevelBpe = z.object({
  normalizer: z.null(),
  added_tokens: z.array(
    z.object({
      id: z.int(),
      content: z.string(),
      special: z.boolean(),
      lstrip: z.literal(false),
      rstrip: z.literal(false),
      single_word: z.literal(false),
    }),
  ),
  pre_tokenizer: z.unknown(),
  model: z.object({
    type: z.literal('BPE'),
    continuing_subword_prefix: emptyText(),
    end_of_word_suffix: emptyText(),
    byte_fallback: z.literal(false).optional(),
    ignore_merges: z.boolean().optional(),
    vocab: z.record(z.string(), z.int()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});
type ByteLevelBpe = z.infer<typeof byteLevelBpe>;

function emptyText() {
  return z.union([z.null(), z.literal('')]).optional();
}

const byteLevel = (usesRegex: boolean) =>
  z.object({ type: z.literal('ByteLevel'), add_prefix_space: z.literal(false), use_regex: z.literal(usesRegex) });

const split = (pattern: string) =>
  z.object({
    type: z.literal('Split'),
    pattern: z.object({ Regex: z.literal(pattern) }),
    behavior: z.literal('Isolated'),
    invert: z.literal(false),
  });

/** LLaMA 3's words. */
const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** llama.cpp's name of each way to cut text into words, and what goes with it. */
const preTokenizers = [
  { name: 'gpt-2', schema: byteLevel(true), ignoresMerges: false },
  {
    name: 'llama-bpe',
    schema: z.object({
      type: z.literal('Sequence'),
      pretokenizers: z.tuple([split(llama3), byteLevel(false)]),
    }),
    ignoresMerges: true,
  },
];

/** Of tokens that are text, that control, that the user has added, and that nothing stands for. */
const kinds = { normal: 1, control: 3, added: 4, unused: 5 };

/** Fails with one sentence where the tokenizer cannot be expressed. `vocabulary`: tokens of the model, at least those of the tokenizer. */
export function ggufTokenizer(tokenizer: Tokenizer, vocabulary: number): Map<string, GgufValue> {
  const end = tokenizer.end();
  if (!end) throw refused('it has no token that ends a text');
  const parsed = byteLevelBpe.safeParse(JSON.parse(tokenizer.exported()));
  if (!parsed.success) throw refused(`it is more than a byte-level BPE (${parsed.error.issues[0]!.path.join('.')})`);
  const { text, kind } = tokensOf(parsed.data, vocabulary);
  const { merges } = parsed.data.model;
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', { string: 'gpt2' }],
    ['tokenizer.ggml.pre', { string: preTokenizerOf(parsed.data) }],
    ['tokenizer.ggml.tokens', { strings: text }],
    ['tokenizer.ggml.token_type', { int32s: kind }],
    ['tokenizer.ggml.merges', { strings: merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))) }],
    ['tokenizer.ggml.bos_token_id', { uint32: end.token }],
    ['tokenizer.ggml.eos_token_id', { uint32: end.token }],
    ['tokenizer.ggml.padding_token_id', { uint32: end.token }],
    ['tokenizer.ggml.add_bos_token', { bool: false }],
    ['tokenizer.ggml.add_eos_token', { bool: false }],
  ]);
}

function tokensOf({ model, added_tokens }: ByteLevelBpe, vocabulary: number): { text: string[]; kind: number[] } {
  const text = Array.from({ length: vocabulary }, (_, token) => `[PAD${token}]`);
  const kind = new Array<number>(vocabulary).fill(kinds.unused);
  for (const [content, token] of Object.entries(model.vocab)) {
    text[token] = content;
    kind[token] = kinds.normal;
  }
  for (const { id, content, special } of added_tokens) {
    text[id] = content;
    kind[id] = special ? kinds.control : kinds.added;
  }
  return { text, kind };
}

function preTokenizerOf({ pre_tokenizer, model }: ByteLevelBpe): string {
  // Where nothing is merged, every word gives the same tokens.
  if (model.merges.length === 0 && byteLevel(false).safeParse(pre_tokenizer).success) return 'gpt-2';
  const found = preTokenizers.find(
    ({ schema, ignoresMerges }) =>
      schema.safeParse(pre_tokenizer).success && ignoresMerges === (model.ignore_merges ?? false),
  );
  if (!found) throw refused('llama.cpp has no name for the way in which it cuts text into words');
  return found.name;
}

const refused = (problem: string): UserError =>
  new UserError('usage', `GGUF cannot express the tokenizer of this run: ${problem}; export safetensors`);
