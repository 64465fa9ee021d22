// Runs one exported model at a time with onnxruntime-node, in a process that never loads the addon.

import type { InferenceSession } from 'onnxruntime-node';
import type { Handlers } from '../contract/rpc.ts';
import type { TrialCommands } from '../contract/trialMessages.ts';
import { onnxRuntime } from '../export/onnxRuntime.ts';
import { pick } from './pick.ts';

export function trialHandlers(): Handlers<TrialCommands> {
  let session: InferenceSession | undefined;

  async function logitsOf(data: readonly number[], shape: number[], kind: 'images' | 'tokens'): Promise<Float32Array> {
    const { Tensor } = await onnxRuntime();
    if (!session) throw new Error('a model is run before it is loaded');
    const input =
      kind === 'images'
        ? new Tensor('float32', Float32Array.from(data), shape)
        : new Tensor('int64', BigInt64Array.from(data, BigInt), shape);
    const { logits } = await session.run({ input });
    return logits!.data as Float32Array;
  }

  return {
    load: async ({ path }) => {
      const { InferenceSession } = await onnxRuntime();
      await session?.release();
      session = await InferenceSession.create(path, { logSeverityLevel: 3 });
      return {};
    },
    run: async ({ data, shape, kind }) => ({ logits: [...(await logitsOf(data, shape, kind))] }),
    generate: async ({ tokens, length, count, end, temperature, seed }, { signal }) => {
      const all = [...tokens];
      const random = generator(seed);
      for (let made = 0; made < count && !signal.aborted && (made === 0 || all.at(-1) !== end); made++) {
        const seen = all.slice(-length);
        const padded = [...seen, ...new Array<number>(length - seen.length).fill(0)];
        const logits = await logitsOf(padded, [1, length], 'tokens');
        const vocabulary = logits.length / length;
        all.push(
          pick(logits.subarray((seen.length - 1) * vocabulary, seen.length * vocabulary), temperature, random()),
        );
      }
      return { tokens: all.slice(tokens.length) };
    },
  };
}

/** Numbers in [0, 1) from a seed (mulberry32); only for samples of text. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
