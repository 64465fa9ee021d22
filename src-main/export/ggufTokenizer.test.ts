import { expect, it } from 'vitest';
import { native } from '../native.ts';
import { ggufTokenizer } from './ggufTokenizer.ts';

const alphabet = async () => {
  const bytes = JSON.parse((await native().openTokenizer()).exported()) as { model: { vocab: Record<string, number> } };
  return bytes.model.vocab;
};
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const end = {
  id: 257,
  content: '</s>',
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

/** A tokenizer.json of bytes with one merge. */
async function tokenizer(changes: object, model: object = {}) {
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [end],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: { ...(await alphabet()), at: 256 }, merges: ['a t'], ...model },
    ...changes,
  };
  return await native().openTokenizer(JSON.stringify(json));
}

it('a byte-level BPE has tokens by number, kinds, merges and the name of its words', async () => {
  const entries = ggufTokenizer(await tokenizer({}), 260);
  const { strings } = entries.get('tokenizer.ggml.tokens') as { strings: string[] };
  expect([strings.length, strings[97], strings[32], ...strings.slice(256)]).toEqual([
    260,
    'a',
    'Ġ',
    'at',
    '</s>',
    '[PAD258]',
    '[PAD259]',
  ]);
  const { int32s } = entries.get('tokenizer.ggml.token_type') as { int32s: number[] };
  expect(int32s.slice(255)).toEqual([1, 1, 3, 5, 5]);
  expect(Object.fromEntries(entries)).toMatchObject({
    'tokenizer.ggml.model': { string: 'gpt2' },
    'tokenizer.ggml.pre': { string: 'gpt-2' },
    'tokenizer.ggml.merges': { strings: ['a t'] },
    'tokenizer.ggml.eos_token_id': { uint32: 257 },
    'tokenizer.ggml.add_bos_token': { bool: false },
  });
});

it('the tokenizer of bytes merges nothing, whatever its words are', async () => {
  const entries = ggufTokenizer(await native().openTokenizer(), 257);
  expect(entries.get('tokenizer.ggml.merges')).toEqual({ strings: [] });
  expect(entries.get('tokenizer.ggml.eos_token_id')).toEqual({ uint32: 256 });
});

const llama3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const words = (pattern: string) => ({
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      { ...byteLevel, use_regex: false },
    ],
  },
});

it("LLaMA 3's words have a name of their own", async () => {
  const entries = ggufTokenizer(await tokenizer(words(llama3), { ignore_merges: true }), 258);
  expect(entries.get('tokenizer.ggml.pre')).toEqual({ string: 'llama-bpe' });
});

it.each([
  ['other words', words('[a-z]+'), {}, 'llama.cpp has no name for the way in which it cuts text into words'],
  ['a space in front', { pre_tokenizer: { ...byteLevel, add_prefix_space: true } }, {}, 'llama.cpp has no name for'],
  ['a normalizer', { normalizer: { type: 'NFC' } }, {}, 'it is more than a byte-level BPE (normalizer)'],
  ['no end', { added_tokens: [] }, {}, 'it has no token that ends a text'],
  ['another model', {}, { type: 'WordLevel', unk_token: '</s>', vocab: { '</s>': 257, a: 0 } }, 'it is more than'],
])('a tokenizer with %s is refused', async (_, changes, model, problem) => {
  const made = await tokenizer(changes, model);
  expect(() => ggufTokenizer(made, 258)).toThrow(`GGUF cannot express the tokenizer of this run: ${problem}`);
});
